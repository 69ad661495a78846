"""Validates a report against its published schema, and prints as JSON what a reader that is not ours reads of it.

usage: read.py junit|sarif FILE SCHEMA
"""

import json
import sys


def junit(path, schema):
    import junitparser
    import xmlschema

    problems = [str(error) for error in xmlschema.XMLSchema(schema).iter_errors(path)]
    suites = []
    for suite in junitparser.JUnitXml.fromfile(path):
        cases = [
            {
                "class": case.classname,
                "name": case.name,
                "result": [{"is": type(one).__name__, "type": one.type, "message": one.message, "text": one.text} for one in case.result],
                "out": case.system_out,
            }
            for case in suite
        ]
        properties = {one.name: one.value for one in suite.properties()}
        suites.append({"name": suite.name, "properties": properties, "cases": cases, "time": suite.time})
    return problems, suites


def sarif(path, schema):
    import jsonschema
    from sarif import loader

    with open(schema, encoding="utf-8") as file:
        validator = jsonschema.Draft7Validator(json.load(file), format_checker=jsonschema.FormatChecker())
    with open(path, encoding="utf-8") as file:
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(json.load(file))]
    return problems, loader.load_sarif_file(path).get_records()


kind, path, schema = sys.argv[1:]
problems, read = {"junit": junit, "sarif": sarif}[kind](path, schema)
json.dump({"problems": problems, "read": read}, sys.stdout)
