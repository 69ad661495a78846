//! Lets userspace read and write the map values.

use crate::map::{Grant, Lost, Settings, Share};

// SAFETY: repr(C), no padding (asserted in `map`), and every bit pattern is a value.
unsafe impl aya::Pod for Settings {}
// SAFETY: as above.
unsafe impl aya::Pod for Grant {}
// SAFETY: as above.
unsafe impl aya::Pod for Lost {}
// SAFETY: as above.
unsafe impl aya::Pod for Share {}
