// A client of wolfSSL: sends so many bytes to an echo, with new keys now and then, and compares what comes back.
// usage: wolfssl-echo PORT 1.2|1.3 FRAGMENT BYTES     FRAGMENT 0, 512, 1024, 2048 or 4096

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static void demand(int good, const char *what, int code) {
    if (good) return;
    fprintf(stderr, "%s: %d\n", what, code);
    exit(1);
}

static unsigned char pattern(long place) { return (unsigned char)((place * 2654435761u) >> 13); }

int main(int count, char **words) {
    (void)count;
    int modern = strcmp(words[2], "1.3") == 0, fragment = atoi(words[3]);
    long bytes = atol(words[4]), sent = 0, received = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int socketNumber = socket(AF_INET, SOCK_STREAM, 0);
    demand(connect(socketNumber, (struct sockaddr *)&address, sizeof address) == 0, "connect", 0);
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(modern ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, NULL);
#ifdef HAVE_MAX_FRAGMENT
    if (fragment) {
        int number = fragment == 512 ? 1 : fragment == 1024 ? 2 : fragment == 2048 ? 3 : 4;
        demand(wolfSSL_CTX_UseMaxFragment(context, number) == WOLFSSL_SUCCESS, "fragment", 0);
    }
#endif
    WOLFSSL *ssl = wolfSSL_new(context);
    wolfSSL_set_fd(ssl, socketNumber);
    int code = wolfSSL_connect(ssl);
    demand(code == WOLFSSL_SUCCESS, "handshake", wolfSSL_get_error(ssl, code));
    static unsigned char out[20000], in[20000];
    for (long round = 0; received < bytes; round++) {
        long size = 1 + (sent * 7919) % sizeof out;
        if (size > bytes - sent) size = bytes - sent;
        for (long place = 0; place < size; place++) out[place] = pattern(sent + place);
        if (size > 0) demand(wolfSSL_write(ssl, out, size) == size, "write", 0);
        sent += size;
        if (modern && round % 20 == 19) demand(wolfSSL_update_keys(ssl) == WOLFSSL_SUCCESS, "new keys", 0);
        while (received < sent) {
            code = wolfSSL_read(ssl, in, sizeof in);
            demand(code > 0, "read", wolfSSL_get_error(ssl, code));
            for (int place = 0; place < code; place++) demand(in[place] == pattern(received + place), "another byte", 0);
            received += code;
        }
    }
    wolfSSL_shutdown(ssl);
    return 0;
}
