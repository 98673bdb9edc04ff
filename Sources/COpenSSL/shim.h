// OpenSSL 3: what Swift sees of it, and inline forms of its function-like macros. No logic.
#ifndef UNDERSTUDY_COPENSSL_H
#define UNDERSTUDY_COPENSSL_H
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>

// Macros over *_ctrl.
static inline int cssl_ctx_set_min_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}
static inline int cssl_ctx_set_max_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}
static inline void cssl_ctx_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void cssl_ctx_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline int cssl_set_app_data(SSL *session, void *data) { return SSL_set_app_data(session, data); }
static inline void *cssl_app_data(const SSL *session) { return SSL_get_app_data(session); }
static inline void cssl_bio_wait_when_empty(BIO *bio) { BIO_set_mem_eof_return(bio, -1); }

// Macros with casts or function-like parts.
static const uint64_t CSSL_OP_NO_TICKET = SSL_OP_NO_TICKET;
static const uint64_t CSSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const long CSSL_MODE_RELEASE_BUFFERS = SSL_MODE_RELEASE_BUFFERS;
static const long CSSL_SESS_CACHE_OFF = SSL_SESS_CACHE_OFF;

// A parameter keeps the pointer to its name, and a string macro becomes a temporary C string in Swift.
static inline OSSL_PARAM cssl_kdf_digest(char *name) {
    return OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0);
}
static inline OSSL_PARAM cssl_kdf_key(void *bytes, size_t count) {
    return OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, bytes, count);
}
static inline OSSL_PARAM cssl_kdf_salt(void *bytes, size_t count) {
    return OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, bytes, count);
}
static inline OSSL_PARAM cssl_kdf_info(void *bytes, size_t count) {
    return OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, bytes, count);
}
#endif
