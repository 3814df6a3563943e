// Who a client is, and what it may do.

include "shared.thrift"

struct HandshakeInformation {
    1: bool requiresAuthentication
    2: bool sessionStillActive
}

struct AuthorisationList {
    1: list<string> users
    2: list<string> groups
}

struct PermissionFilter {
    1: bool given
    2: bool canManage
}

struct SessionTokenData {
    1: string token
    2: string description
    3: string lastAccess
}

struct PersonalAccessToken {
    1: string token
    2: string name
    3: string description
    4: string lastAccess
    5: string expiration
}

struct Permissions {
    1: map<string, list<string>> user
    2: map<string, list<string>> group
}

struct AccessControl {
    1: Permissions globalPermissions
    2: map<string, Permissions> productPermissions
}

service Authentication {
    bool addPermission(1: shared.Permission permission, 2: string authName, 3: bool isGroup, 4: string extraParams)
        throws (1: shared.RequestFailed requestError)
    void checkAPIVersion() throws (1: shared.RequestFailed requestError)
    string createLink(1: string provider) throws (1: shared.RequestFailed requestError)
    bool destroySession() throws (1: shared.RequestFailed requestError)
    list<string> getAcceptedAuthMethods()
    AccessControl getAccessControl() throws (1: shared.RequestFailed requestError)
    HandshakeInformation getAuthParameters()
    AuthorisationList getAuthorisedNames(1: shared.Permission permission, 2: string extraParams)
        throws (1: shared.RequestFailed requestError)
    string getLoggedInUser() throws (1: shared.RequestFailed requestError)
    i16 getMaxTokenExpiration() throws (1: shared.RequestFailed requestError)
    list<string> getOauthProviders()
    list<shared.Permission> getPermissions(1: string scope)
    list<shared.Permission> getPermissionsForUser(1: string scope, 2: string extraParams, 3: PermissionFilter filter)
        throws (1: shared.RequestFailed requestError)
    list<PersonalAccessToken> getPersonalAccessTokens() throws (1: shared.RequestFailed requestError)
    list<SessionTokenData> getTokens() throws (1: shared.RequestFailed requestError)
    bool hasPermission(1: shared.Permission permission, 2: string extraParams)
        throws (1: shared.RequestFailed requestError)
    PersonalAccessToken newPersonalAccessToken(1: string name, 2: string description, 3: i64 expiration)
        throws (1: shared.RequestFailed requestError)
    SessionTokenData newToken(1: string description) throws (1: shared.RequestFailed requestError)
    string performLogin(1: string authMethod, 2: string authString) throws (1: shared.RequestFailed requestError)
    bool removePermission(1: shared.Permission permission, 2: string authName, 3: bool isGroup, 4: string extraParams)
        throws (1: shared.RequestFailed requestError)
    bool removePersonalAccessToken(1: string name) throws (1: shared.RequestFailed requestError)
    bool removeToken(1: string token) throws (1: shared.RequestFailed requestError)
}
