"""The scope that each operation requires."""

from ninja import NinjaAPI

from config.openapi.nodes import Node


def operation_scopes(api: NinjaAPI) -> dict[str, str]:
    """Return the scopes of operations, by operation ID; of those that require one."""
    scopes = {}
    for router in api._get_bound_routers():
        for view in router.path_operations.values():
            for operation in view.operations:
                name = operation.operation_id or api.get_openapi_operation_id(operation)
                for check in operation.auth_callbacks:
                    if scope := getattr(check, "scope", None):
                        scopes[name] = str(scope)
    return scopes


def name_scope(operation: Node, scopes: dict[str, str]) -> None:
    """Add the required scope to the security and the description of an operation."""
    scope = scopes.get(operation["operationId"])
    if scope is None:
        return
    operation["security"] = [{name: [scope]} for name in operation["security"][0]]
    operation["description"] += f"\n\nRequires the scope `{scope}`."
