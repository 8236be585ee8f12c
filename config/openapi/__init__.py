"""The OpenAPI document: what ninja derives from the code, completed and checked.

Ninja's document has Python's names and words. Passes over it add what clients need:
constraints in JSON Schema's words, named bodies, headers, error codes, and examples.
Descriptions of fields and operations are beside them, in their schemas and docstrings.
"""
