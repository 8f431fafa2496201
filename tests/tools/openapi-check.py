#!/usr/bin/env python3
"""openapi-check FILE METHOD PATH STATUS: is the JSON on standard input what the
file says that is answered?  With PATH an event's name and METHOD `event`: is it
that event's data?  Says what is not, and where; exits 1 then.

Knows of JSON Schema what the file uses; what it does not know is an error.
"""

import json
import re
import sys

import yaml

KNOWN = {"$ref", "type", "required", "properties", "items", "enum", "const", "allOf", "description", "format",
         "pattern", "default", "minimum", "maxItems", "minItems", "minLength", "maxProperties"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float),
         "null": type(None)}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
spec = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
# The events' data, in the schemas' words; the table in the file is for people.
REF = "#/components/schemas/"
EVENTS = {
    "snapshot": {"type": "object", "required": ["version", "status", "machines", "match", "runs", "solve"], "properties": {
        "status": {"$ref": REF + "Status"}, "match": {"$ref": REF + "Match"},
        "machines": {"type": "array", "items": {"$ref": REF + "Machine"}},
        "runs": {"type": "array", "items": {"$ref": REF + "Run"}}, "solve": {"$ref": REF + "Solve"}}},
    "machine": {"type": "object", "required": ["change", "machine"], "properties": {
        "change": {"enum": ["appeared", "changed", "offline", "work", "trust"]}, "machine": {"$ref": REF + "Machine"}}},
    "gone": {"type": "object", "required": ["ref"]},
    "match": {"$ref": REF + "Match"},
    "run": {"$ref": REF + "Run"},
    "status": {"$ref": REF + "Status"},
    "solve": {"$ref": REF + "Solve"},
    "experiment": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    "step": {"type": "object", "required": ["run", "ref", "step", "status"], "properties": {
        "status": {"enum": ["started", "ok", "changed", "failed", "skipped"]}, "number": {"type": "integer"}}},
    "output": {"type": "object", "required": ["run", "ref", "verb", "stream", "line"]},
    "note": {"type": "object", "required": ["run", "ref", "text"]},
}


def look_up(schema):
    while "$ref" in schema:
        at = spec
        for part in schema["$ref"][2:].split("/"):
            at = at[part.replace("~1", "/")]
        schema = at
    return schema


def fail(where, what):
    sys.exit(f"{where or 'the document'}: {what}")


def is_a(value, kind):
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def check(value, schema, where):
    schema = look_up(schema)
    unknown = set(schema) - KNOWN
    if unknown:
        fail(where, f"the schema has {unknown}, which this does not check")
    for part in schema.get("allOf", []):
        check(value, part, where)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_a(value, kind) for kind in kinds):
        fail(where, f"is no {' or '.join(kinds)}: {value!r:.60}")
    if "const" in schema and value != schema["const"]:
        fail(where, f"is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        fail(where, f"{value!r:.60} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        fail(where, f"{value!r:.60} does not match")
    if schema.get("format") == "date-time" and not TIME.fullmatch(value):
        fail(where, f"{value!r:.60} is no time")
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                fail(where, f"lacks {key}")
        for key, item in value.items():
            if key in schema.get("properties", {}):
                check(item, schema["properties"][key], f"{where}.{key}")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            check(item, schema["items"], f"{where}[{i}]")


_, _, method, path, *rest = sys.argv
document = json.load(sys.stdin)
if method == "event":
    check(document, EVENTS[path], "")
else:
    answers = spec["paths"][path][method.lower()]["responses"]
    answer = look_up(answers[rest[0]] if rest[0] in answers else answers["default"])
    content = answer["content"]
    check(document, content.get("application/json", content.get("application/problem+json"))["schema"], "")
