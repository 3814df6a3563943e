"""Who a client is, and what it may do: until there are users, everybody is nobody and may do everything."""

from typing import Final

from storaged.auth.permissions import Right
from storaged.thrift.calls import Call, Handled, Methods
from storaged.thrift.faults import Refused
from storaged.thrift.structs import (
    AccessControl,
    AuthorisationList,
    ErrorCode,
    HandshakeInformation,
    Permission,
    PermissionFilter,
    PersonalAccessToken,
    SessionTokenData,
)

# By the scope that clients name.
PERMISSIONS: Final = {
    "SYSTEM": [Permission.SUPERUSER, Permission.PERMISSION_VIEW],
    "PRODUCT": [
        Permission.PRODUCT_ADMIN,
        Permission.PRODUCT_ACCESS,
        Permission.PRODUCT_STORE,
        Permission.PRODUCT_VIEW,
    ],
}
NO_USERS: Final = "This server knows no users: log in to one that does, or go on without."
NO_TOKENS: Final = "This server knows no users, so that nobody has access tokens; none is needed."


async def check_api_version(_call: Call) -> None:
    """That the call came so far says that its version is one of ours."""


async def get_auth_parameters(_call: Call) -> HandshakeInformation:
    """Nobody needs to log in."""
    return {"requiresAuthentication": False, "sessionStillActive": False}


async def get_accepted_methods(_call: Call) -> list[str]:
    return []


async def get_oauth_providers(_call: Call) -> list[str]:
    return []


async def perform_login(_call: Call, _method: str | None, _credentials: str | None) -> str:
    raise Refused(NO_USERS, ErrorCode.AUTH_DENIED)


async def create_link(_call: Call, _provider: str | None) -> str:
    raise Refused(NO_USERS, ErrorCode.AUTH_DENIED)


async def destroy_session(_call: Call) -> bool:
    """Nobody has a session, so that none is left; True, as CodeChecker without authentication: its client says so."""
    return True


async def get_logged_in_user(_call: Call) -> str:
    return ""


async def get_permissions(_call: Call, scope: str) -> list[Permission]:
    """Those that exist in a scope."""
    return _in_scope(scope)


async def get_permissions_for_user(
    _call: Call, scope: str, _parameters: str | None, _filter: PermissionFilter | None
) -> list[Permission]:
    """Everybody has all of them, and may manage them."""
    return _in_scope(scope)


async def get_access_control(_call: Call) -> AccessControl:
    """Nobody was given a permission."""
    return {"globalPermissions": {"user": {}, "group": {}}, "productPermissions": {}}


async def has_permission(_call: Call, _permission: Permission, _parameters: str | None) -> bool:
    return True


async def get_authorised_names(
    _call: Call, _permission: Permission | None, _parameters: str | None
) -> AuthorisationList:
    return {"users": [], "groups": []}


async def get_personal_access_tokens(_call: Call) -> list[PersonalAccessToken]:
    raise Refused(NO_TOKENS, ErrorCode.UNAUTHORIZED)


async def new_personal_access_token(
    _call: Call, _name: str | None, _description: str | None, _expiration: int | None
) -> PersonalAccessToken:
    raise Refused(NO_TOKENS, ErrorCode.UNAUTHORIZED)


async def remove_personal_access_token(_call: Call, _name: str | None) -> bool:
    raise Refused(NO_TOKENS, ErrorCode.UNAUTHORIZED)


async def get_tokens(_call: Call) -> list[SessionTokenData]:
    """As clients before 6.26 ask for them."""
    raise Refused(NO_TOKENS, ErrorCode.UNAUTHORIZED)


async def new_token(_call: Call, _description: str | None) -> SessionTokenData:
    raise Refused(NO_TOKENS, ErrorCode.UNAUTHORIZED)


async def remove_token(_call: Call, _token: str | None) -> bool:
    raise Refused(NO_TOKENS, ErrorCode.UNAUTHORIZED)


def _in_scope(scope: str) -> list[Permission]:
    if scope not in PERMISSIONS:
        raise Refused(f"There is no scope of permissions {scope!r}; there are {', '.join(PERMISSIONS)}.")
    return PERMISSIONS[scope]


METHODS: Final[Methods] = {
    "checkAPIVersion": Handled(check_api_version, Right.ANYBODY),
    "getAuthParameters": Handled(get_auth_parameters, Right.ANYBODY),
    "getAcceptedAuthMethods": Handled(get_accepted_methods, Right.ANYBODY),
    "getOauthProviders": Handled(get_oauth_providers, Right.ANYBODY),
    "performLogin": Handled(perform_login, Right.ANYBODY),
    "createLink": Handled(create_link, Right.ANYBODY),
    "destroySession": Handled(destroy_session, Right.ANYBODY),
    "getLoggedInUser": Handled(get_logged_in_user, Right.ANYBODY),
    "getPermissions": Handled(get_permissions, Right.ANYBODY),
    "getPermissionsForUser": Handled(get_permissions_for_user, Right.ANYBODY),
    "getAccessControl": Handled(get_access_control, Right.ANYBODY),
    "hasPermission": Handled(has_permission, Right.ANYBODY),
    "getAuthorisedNames": Handled(get_authorised_names, Right.ANYBODY),
    "getPersonalAccessTokens": Handled(get_personal_access_tokens, Right.ANYBODY),
    "newPersonalAccessToken": Handled(new_personal_access_token, Right.ANYBODY),
    "removePersonalAccessToken": Handled(remove_personal_access_token, Right.ANYBODY),
    "getTokens": Handled(get_tokens, Right.ANYBODY),
    "newToken": Handled(new_token, Right.ANYBODY),
    "removeToken": Handled(remove_token, Right.ANYBODY),
}
