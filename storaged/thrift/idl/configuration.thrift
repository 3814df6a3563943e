// Texts that the operator shows to all.

include "shared.thrift"

service Configuration {
    string getNotificationBannerText()
    void setNotificationBannerText(1: string notification_b64) throws (1: shared.RequestFailed requestError)
}
