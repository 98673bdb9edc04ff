// OpenSSL 3: what Swift sees of it, and inline forms of its function-like macros. No logic.
#ifndef UNDERSTUDY_COPENSSL_H
#define UNDERSTUDY_COPENSSL_H
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

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

static inline void cssl_ctx_set_session_cache_size(SSL_CTX *context, long size) {
    SSL_CTX_sess_set_cache_size(context, size);
}
static inline void cssl_ctx_set_max_cert_list(SSL_CTX *context, long size) { SSL_CTX_set_max_cert_list(context, size); }
static inline long cssl_ctx_session_cache_full(SSL_CTX *context) { return SSL_CTX_sess_cache_full(context); }
static inline long cssl_ctx_session_count(SSL_CTX *context) { return SSL_CTX_sess_number(context); }
static inline int cssl_ctx_set_groups(SSL_CTX *context, const char *list) {
    return (int)SSL_CTX_set1_groups_list(context, list);
}
static inline void cssl_ctx_set_servername_callback(SSL_CTX *context, int (*callback)(SSL *, int *, void *)) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
}
static inline int cssl_set_host_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

// Typed stacks.
static inline STACK_OF(X509) *cssl_x509_stack(void) { return sk_X509_new_null(); }
static inline int cssl_x509_push(STACK_OF(X509) *stack, X509 *certificate) {
    return sk_X509_push(stack, certificate);
}
static inline void cssl_x509_stack_free(STACK_OF(X509) *stack) { sk_X509_free(stack); }
static inline int cssl_names_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
static inline const GENERAL_NAME *cssl_names_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
static inline void cssl_names_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }
static inline GENERAL_NAMES *cssl_alternative_names(const X509 *certificate) {
    return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}
// The string of a DNS name, mail address or URI, or the octets of an address; NULL for every other form of name.
static inline const ASN1_STRING *cssl_name_string(const GENERAL_NAME *name) {
    switch (name->type) {
    case GEN_DNS: case GEN_EMAIL: case GEN_URI: return name->d.ia5;
    case GEN_IPADD: return name->d.iPAddress;
    default: return NULL;
    }
}

// Macros with casts or function-like parts.
static const uint64_t CSSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t CSSL_OP_CIPHER_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t CSSL_OP_PRIORITIZE_CHACHA = SSL_OP_PRIORITIZE_CHACHA;
static const long CSSL_MODE_NO_AUTO_CHAIN = SSL_MODE_NO_AUTO_CHAIN;
static const long CSSL_SESS_CACHE_SERVER = SSL_SESS_CACHE_SERVER;
static const unsigned long CSSL_XN_FLAG_RFC2253 = XN_FLAG_RFC2253;
static const unsigned long CSSL_V_CRL_CHECK = X509_V_FLAG_CRL_CHECK;
static const unsigned long CSSL_V_CRL_CHECK_ALL = X509_V_FLAG_CRL_CHECK_ALL;
static const unsigned long CSSL_V_PARTIAL_CHAIN = X509_V_FLAG_PARTIAL_CHAIN;
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
static inline OSSL_PARAM cssl_kdf_secret(void *bytes, size_t count) {
    return OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, bytes, count);
}
static inline OSSL_PARAM cssl_kdf_seed(void *bytes, size_t count) {
    return OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, bytes, count);
}
static inline OSSL_PARAM cssl_mac_key(void *bytes, size_t count) {
    return OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, count);
}
static inline OSSL_PARAM cssl_mac_digest(char *name) {
    return OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
}

// The tag of an AEAD: by parameters that are already made, without the detour that EVP_CIPHER_CTX_ctrl takes to them.

static inline int cssl_get_tag(EVP_CIPHER_CTX *context, void *tag, size_t count) {
    OSSL_PARAM parameters[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, count), OSSL_PARAM_construct_end()};
    return EVP_CIPHER_CTX_get_params(context, parameters);
}

// The tag is read only.
static inline int cssl_set_tag(EVP_CIPHER_CTX *context, const void *tag, size_t count) {
    OSSL_PARAM parameters[2] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (void *)tag, count), OSSL_PARAM_construct_end()};
    return EVP_CIPHER_CTX_set_params(context, parameters);
}

#endif
