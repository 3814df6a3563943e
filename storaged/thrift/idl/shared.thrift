// What all services share: errors, rights, three-valued filters.

enum Ternary {
    BOTH = 0,
    OFF = 1,
    ON = 2,
}

enum ErrorCode {
    DATABASE = 0,
    IOERROR = 1,
    GENERAL = 2,
    AUTH_DENIED = 3,
    UNAUTHORIZED = 4,
    API_MISMATCH = 5,
}

enum Permission {
    SUPERUSER = 1,
    PERMISSION_VIEW = 2,
    PRODUCT_ADMIN = 16,
    PRODUCT_ACCESS = 17,
    PRODUCT_STORE = 18,
    PRODUCT_VIEW = 19,
}

enum DBStatus {
    OK = 0,
    MISSING = 1,
    FAILED_TO_CONNECT = 2,
    SCHEMA_MISMATCH_OK = 3,
    SCHEMA_MISMATCH_NO = 4,
    SCHEMA_MISSING = 5,
    SCHEMA_INIT_ERROR = 6,
    SCHEMA_UPGRADE_FAILED = 7,
}

exception RequestFailed {
    1: ErrorCode errorCode
    2: string message
    3: list<string> extraInfo
}
