"""Reads an attestation with securesystemslib: envelope.json public.pem -> the statement. Ends with 1 where it is not believed."""

import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

with open(sys.argv[1], encoding="utf-8") as file:
    envelope = json.load(file)
with open(sys.argv[2], "rb") as file:
    public = load_pem_public_key(file.read())
raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()
# It takes only signatures that name the key, and leaves the choice of names to who uses it.
key = SSlibKey(envelope["signatures"][0]["keyid"], "ed25519", "ed25519", {"public": raw})
read = Envelope.from_dict(envelope)
try:
    read.verify([key], 1)
except VerificationError as error:
    sys.exit(f"not believed: {error}")
assert read.payload_type == "application/vnd.in-toto+json"
sys.stdout.write(read.payload.decode())
