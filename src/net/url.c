/* Putting a relative reference and its base together, by libcurl's own parser, like all that reads URLs here.
 */
#include <curl/curl.h>

#include "net/net.h"

int net_url_join(const char *base, const char *reference, struct buf *out, struct err *err)
{
    char *text = NULL;
    CURLU *u = curl_url();
    bool good = u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
                curl_url_set(u, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
                curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK && buf_adds(out, text) == 0;
    curl_free(text);
    curl_url_cleanup(u);
    return good ? 0 : err_set(err, ERR_BAD_URL, "a reference that leads nowhere");
}
