// The server itself.

service ServerInfo {
    string getPackageVersion()
}
