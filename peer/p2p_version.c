/* p2p_version.c - which library this is, and which others it runs with: the one file that knows all of them,
 * by nothing but their names. */
#include "p2pconnect.h"

#include <cjson/cJSON.h>
#include <gnutls/gnutls.h>
#include <miniupnpc/miniupnpc.h>
#include <mosquitto.h>
#include <nettle/version.h>
#include <ngtcp2/ngtcp2.h>
#include <sodium.h>
#include <stdio.h>
#ifdef P2P_IPSEC_MB
#include <intel-ipsec-mb.h>
#define MULTI_BUFFER ", intel-ipsec-mb ", imb_get_version_str()
#else
#define MULTI_BUFFER "", ""
#endif

const char *p2p_version(void)
{
    return P2P_VERSION;
}

size_t p2p_libraries(char *out, size_t capacity)
{
    int major, minor, revision;
    mosquitto_lib_version(&major, &minor, &revision);
    int len = snprintf(
        out, capacity,
        "libmosquitto %d.%d.%d, cJSON %s, libsodium %s, ngtcp2 %s, GnuTLS %s, nettle %d.%d, miniupnpc %s%s%s",
        major, minor, revision, cJSON_Version(), sodium_version_string(), ngtcp2_version(0)->version_str,
        gnutls_check_version(NULL), nettle_version_major(), nettle_version_minor(),
        MINIUPNPC_VERSION, /* it alone does not say at run time which it is */
        MULTI_BUFFER);
    return len > 0 ? (size_t)len : 0;
}
