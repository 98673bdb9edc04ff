// A client of mbedTLS: sends so many bytes to an echo, and compares what comes back.
// usage: mbedtls-echo PORT CIPHER FRAGMENT BYTES     FRAGMENT 0, 512, 1024, 2048 or 4096

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <poll.h>

static void demand(int good, const char *what, int code) {
    if (good) return;
    fprintf(stderr, "%s: -0x%x\n", what, -code);
    exit(1);
}

static unsigned char pattern(long place) { return (unsigned char)((place * 2654435761u) >> 13); }

int main(int count, char **words) {
    (void)count;
    long bytes = atol(words[4]), sent = 0, received = 0;
    mbedtls_net_context net;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_net_init(&net);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_init(&config);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    int code = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
    demand(code == 0, "random", code);
    code = mbedtls_net_connect(&net, "127.0.0.1", words[1], MBEDTLS_NET_PROTO_TCP);
    demand(code == 0, "connect", code);
    code = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    demand(code == 0, "config", code);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    int ciphers[2] = {mbedtls_ssl_get_ciphersuite_id(words[2]), 0};
    demand(ciphers[0] != 0, "cipher", 0);
    mbedtls_ssl_conf_ciphersuites(&config, ciphers);
    int fragment = atoi(words[3]);
    if (fragment) {
        int number = fragment == 512 ? 1 : fragment == 1024 ? 2 : fragment == 2048 ? 3 : 4;
        code = mbedtls_ssl_conf_max_frag_len(&config, (unsigned char)number);
        demand(code == 0, "fragment", code);
    }
    code = mbedtls_ssl_setup(&ssl, &config);
    demand(code == 0, "setup", code);
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    while ((code = mbedtls_ssl_handshake(&ssl)) != 0) demand(code == MBEDTLS_ERR_SSL_WANT_READ, "handshake", code);
    mbedtls_net_set_nonblock(&net);
    static unsigned char out[40000], in[40000];
    while (received < bytes) {
        // What is on its way is bounded, so that neither side waits for the other for ever.
        if (sent < bytes && sent - received < 100000) {
            long size = 1 + (sent * 7919) % sizeof out;
            if (size > bytes - sent) size = bytes - sent;
            for (long place = 0; place < size; place++) out[place] = pattern(sent + place);
            long done = 0;
            while (done < size) {
                code = mbedtls_ssl_write(&ssl, out + done, size - done);
                if (code == MBEDTLS_ERR_SSL_WANT_WRITE || code == MBEDTLS_ERR_SSL_WANT_READ) continue;
                demand(code > 0, "write", code);
                done += code;
            }
            sent += size;
        } else {
            struct pollfd wait = {.fd = net.fd, .events = POLLIN};
            if (mbedtls_ssl_get_bytes_avail(&ssl) == 0) poll(&wait, 1, 50);
        }
        code = mbedtls_ssl_read(&ssl, in, sizeof in);
        if (code == MBEDTLS_ERR_SSL_WANT_READ) continue;
        demand(code > 0, "read", code);
        for (int place = 0; place < code; place++) demand(in[place] == pattern(received + place), "another byte", 0);
        received += code;
    }
    mbedtls_ssl_close_notify(&ssl);
    return 0;
}
