// The products of the server.

include "shared.thrift"

enum Confidentiality {
    CONFIDENTIAL = 0,
    INTERNAL = 1,
    OPEN = 2,
}

enum ProductSortMode {
    ACCESSRIGHT = 0,
    NAMES_ASC = 1,
    NAMES_DESC = 2,
    RUNS_ASC = 3,
    RUNS_DESC = 4,
    LATEST_STORE_ASC = 5,
    LATEST_STORE_DESC = 6,
}

struct DatabaseConnection {
    1: string engine
    2: string host
    3: i32 port
    4: string username_b64
    5: string password_b64
    6: string database
}

struct ProductConfiguration {
    1: i64 id
    2: string endpoint
    3: string displayedName_b64
    4: string description_b64
    5: DatabaseConnection connection
    6: i64 runLimit
    7: bool isReviewStatusChangeDisabled
    8: Confidentiality confidentiality
    9: i64 reportLimit
}

struct Product {
    1: i64 id
    2: string endpoint
    3: string displayedName_b64
    4: string description_b64
    5: bool connected
    6: bool accessible
    7: bool administrating
    8: shared.DBStatus databaseStatus
    9: i64 runCount
    10: string latestStoreToProduct
    11: i64 runLimit
    12: list<string> admins
    13: list<string> runStoreInProgress
    14: Confidentiality confidentiality
    15: i64 reportLimit
}

service Products {
    bool addProduct(1: ProductConfiguration product) throws (1: shared.RequestFailed requestError)
    bool editProduct(1: i64 productId, 2: ProductConfiguration newConfiguration)
        throws (1: shared.RequestFailed requestError)
    Product getCurrentProduct() throws (1: shared.RequestFailed requestError)
    string getPackageVersion()
    ProductConfiguration getProductConfiguration(1: i64 productId) throws (1: shared.RequestFailed requestError)
    i64 getProductCount(1: string productEndpointFilter, 2: string productNameFilter)
        throws (1: shared.RequestFailed requestError)
    list<Product> getProducts(
        1: string productEndpointFilter,
        2: string productNameFilter,
        3: i64 limit,
        4: i64 offset,
        5: ProductSortMode sortingMode)
        throws (1: shared.RequestFailed requestError)
    bool isAdministratorOfAnyProduct() throws (1: shared.RequestFailed requestError)
    bool removeProduct(1: i64 productId) throws (1: shared.RequestFailed requestError)
}
