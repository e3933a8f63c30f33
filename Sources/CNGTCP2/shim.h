#pragma once
// What Swift cannot import (macros, versioned functions) and what differs between ngtcp2 0.12 and 1.x.
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <string.h>

// 1.0.0 renamed the connection-close type, the statistics and the stream shutdown's parameters.
#define QUIC_NGTCP2_1 (NGTCP2_VERSION_NUM >= 0x010000)

#define QUIC_CONNECTION_ID_LENGTH 8

enum quic_congestion_control { quic_cubic, quic_bbr, quic_bbr2 };

typedef struct quic_settings {
    int is_server;
    enum quic_congestion_control congestion_control;
    uint64_t now;
    uint64_t initial_rtt;  // 0: the library's default
    uint64_t handshake_timeout;
    uint64_t idle_timeout;
    uint64_t stream_window;
    uint64_t connection_window;
    uint64_t stream_count;
    size_t ack_threshold;
    size_t payload_size;
    int discovers_mtu;
} quic_settings;

// ngtcp2 sees one path for the connection's whole life; the carrier below may change it unseen.
typedef struct quic_path {
    struct sockaddr_in local, remote;
    ngtcp2_path path;
} quic_path;

static inline void quic_path_init(quic_path *p) {
    memset(p, 0, sizeof *p);
    p->local.sin_family = p->remote.sin_family = AF_INET;
    p->local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->local.sin_port = htons(1);
    p->remote.sin_port = htons(2);
    p->path.local.addr = (ngtcp2_sockaddr *)&p->local;
    p->path.local.addrlen = sizeof p->local;
    p->path.remote.addr = (ngtcp2_sockaddr *)&p->remote;
    p->path.remote.addrlen = sizeof p->remote;
}

static inline int quic_random_connection_id(ngtcp2_cid *cid, size_t length) {
    uint8_t data[NGTCP2_MAX_CIDLEN];
    if (length > sizeof data || gnutls_rnd(GNUTLS_RND_RANDOM, data, length) != 0) return -1;
    ngtcp2_cid_init(cid, data, length);
    return 0;
}

static inline void quic_random_callback(uint8_t *dest, size_t length, const ngtcp2_rand_ctx *context) {
    (void)context;
    (void)gnutls_rnd(GNUTLS_RND_NONCE, dest, length);
}

static inline int quic_new_connection_id_callback(
    ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t length, void *user_data) {
    (void)conn;
    (void)user_data;
    if (quic_random_connection_id(cid, length) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
    if (gnutls_rnd(GNUTLS_RND_RANDOM, token, NGTCP2_STATELESS_RESET_TOKENLEN) != 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return 0;
}

// The callbacks that are the same for every connection.
static inline void quic_callbacks_init(ngtcp2_callbacks *c) {
    memset(c, 0, sizeof *c);
    c->client_initial = ngtcp2_crypto_client_initial_cb;
    c->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    c->recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
    c->encrypt = ngtcp2_crypto_encrypt_cb;
    c->decrypt = ngtcp2_crypto_decrypt_cb;
    c->hp_mask = ngtcp2_crypto_hp_mask_cb;
    c->recv_retry = ngtcp2_crypto_recv_retry_cb;
    c->update_key = ngtcp2_crypto_update_key_cb;
    c->delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    c->delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    c->get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
    c->version_negotiation = ngtcp2_crypto_version_negotiation_cb;
    c->rand = quic_random_callback;
    c->get_new_connection_id = quic_new_connection_id_callback;
}

// Makes the connection; for a server `first` is the header of the client's first packet.
static inline int quic_conn_new(
    ngtcp2_conn **conn, const quic_settings *s, const ngtcp2_pkt_hd *first, const quic_path *path,
    const ngtcp2_callbacks *callbacks, void *user_data) {
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid scid, dcid;

    ngtcp2_settings_default(&settings);
    settings.initial_ts = s->now;
    settings.handshake_timeout = s->handshake_timeout;
    if (s->initial_rtt) settings.initial_rtt = s->initial_rtt;
    settings.max_tx_udp_payload_size = s->payload_size;
    settings.no_pmtud = !s->discovers_mtu;
    settings.no_tx_udp_payload_size_shaping = !s->discovers_mtu;
    settings.ack_thresh = s->ack_threshold;
    settings.max_window = s->connection_window;
    settings.max_stream_window = s->stream_window;
    switch (s->congestion_control) {
    case quic_cubic: settings.cc_algo = NGTCP2_CC_ALGO_CUBIC; break;
    case quic_bbr: settings.cc_algo = NGTCP2_CC_ALGO_BBR; break;
#if QUIC_NGTCP2_1
    // 1.x has one BBR, the successor of what 0.12 calls BBR2.
    case quic_bbr2: settings.cc_algo = NGTCP2_CC_ALGO_BBR; break;
#else
    case quic_bbr2: settings.cc_algo = NGTCP2_CC_ALGO_BBR2; break;
#endif
    }

    ngtcp2_transport_params_default(&params);
    params.initial_max_stream_data_bidi_local = s->stream_window;
    params.initial_max_stream_data_bidi_remote = s->stream_window;
    params.initial_max_data = s->connection_window;
    params.initial_max_streams_bidi = s->stream_count;
    params.max_idle_timeout = s->idle_timeout;
    params.disable_active_migration = 1;

    if (quic_random_connection_id(&scid, QUIC_CONNECTION_ID_LENGTH) != 0) return NGTCP2_ERR_INTERNAL;
    if (s->is_server) {
        params.original_dcid = first->dcid;
#if QUIC_NGTCP2_1
        params.original_dcid_present = 1;
#endif
        return ngtcp2_conn_server_new(
            conn, &first->scid, &scid, &path->path, first->version, callbacks, &settings, &params, NULL, user_data);
    }
    if (quic_random_connection_id(&dcid, NGTCP2_MAX_CIDLEN - 2) != 0) return NGTCP2_ERR_INTERNAL;
    return ngtcp2_conn_client_new(
        conn, &dcid, &scid, &path->path, NGTCP2_PROTO_VER_V1, callbacks, &settings, &params, NULL, user_data);
}

static inline int quic_conn_read(
    ngtcp2_conn *conn, const quic_path *path, const uint8_t *packet, size_t length, uint64_t now) {
    ngtcp2_pkt_info info;
    memset(&info, 0, sizeof info);
    return ngtcp2_conn_read_pkt(conn, &path->path, &info, packet, length, now);
}

static inline ngtcp2_ssize quic_conn_write(
    ngtcp2_conn *conn, uint8_t *dest, size_t capacity, ngtcp2_ssize *data_length, int is_final, int64_t stream,
    const ngtcp2_vec *data, size_t count, uint64_t now) {
    ngtcp2_pkt_info info;
    return ngtcp2_conn_writev_stream(
        conn, NULL, &info, dest, capacity, data_length,
        is_final ? NGTCP2_WRITE_STREAM_FLAG_FIN : NGTCP2_WRITE_STREAM_FLAG_NONE, stream, data, count, now);
}

static inline int quic_conn_shutdown_stream(ngtcp2_conn *conn, int64_t stream, uint64_t code) {
#if QUIC_NGTCP2_1
    return ngtcp2_conn_shutdown_stream(conn, 0, stream, code);
#else
    return ngtcp2_conn_shutdown_stream(conn, stream, code);
#endif
}

static inline int quic_conn_shutdown_stream_read(ngtcp2_conn *conn, int64_t stream, uint64_t code) {
#if QUIC_NGTCP2_1
    return ngtcp2_conn_shutdown_stream_read(conn, 0, stream, code);
#else
    return ngtcp2_conn_shutdown_stream_read(conn, stream, code);
#endif
}

#if QUIC_NGTCP2_1
typedef ngtcp2_ccerr quic_close_error;
#define quic_close_default ngtcp2_ccerr_default
#define quic_close_set_application ngtcp2_ccerr_set_application_error
#define quic_close_set_library ngtcp2_ccerr_set_liberr
#define quic_close_set_alert ngtcp2_ccerr_set_tls_alert
#else
typedef ngtcp2_connection_close_error quic_close_error;
#define quic_close_default ngtcp2_connection_close_error_default
#define quic_close_set_application ngtcp2_connection_close_error_set_application_error
#define quic_close_set_library ngtcp2_connection_close_error_set_transport_error_liberr
#define quic_close_set_alert ngtcp2_connection_close_error_set_transport_error_tls_alert
#endif

// Writes CONNECTION_CLOSE with an application's code.
static inline ngtcp2_ssize quic_conn_close(
    ngtcp2_conn *conn, uint8_t *dest, size_t capacity, uint64_t code, const uint8_t *reason, size_t length,
    uint64_t now) {
    ngtcp2_pkt_info info;
    quic_close_error error;
    quic_close_default(&error);
    quic_close_set_application(&error, code, reason, length);
    return ngtcp2_conn_write_connection_close(conn, NULL, &info, dest, capacity, &error, now);
}

// Writes CONNECTION_CLOSE for an error the library returned, or for a TLS alert if that is not 0.
static inline ngtcp2_ssize quic_conn_fail(
    ngtcp2_conn *conn, uint8_t *dest, size_t capacity, int library_error, uint8_t alert, uint64_t now) {
    ngtcp2_pkt_info info;
    quic_close_error error;
    quic_close_default(&error);
    if (alert)
        quic_close_set_alert(&error, alert, NULL, 0);
    else
        quic_close_set_library(&error, library_error, NULL, 0);
    return ngtcp2_conn_write_connection_close(conn, NULL, &info, dest, capacity, &error, now);
}

typedef struct quic_peer_close {
    int is_application;
    uint64_t code;
    const uint8_t *reason;
    size_t reason_length;
} quic_peer_close;

// What the peer's CONNECTION_CLOSE said; the reason is good until the connection is freed.
static inline quic_peer_close quic_conn_peer_close(ngtcp2_conn *conn) {
    quic_peer_close result;
#if QUIC_NGTCP2_1
    const ngtcp2_ccerr *error = ngtcp2_conn_get_ccerr(conn);
    result.is_application = error->type == NGTCP2_CCERR_TYPE_APPLICATION;
    result.code = error->error_code;
    result.reason = error->reason;
    result.reason_length = error->reasonlen;
#else
    ngtcp2_connection_close_error error;
    memset(&error, 0, sizeof error);
    ngtcp2_conn_get_connection_close_error(conn, &error);
    result.is_application = error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION;
    result.code = error.error_code;
    result.reason = error.reason;
    result.reason_length = error.reasonlen;
#endif
    return result;
}

typedef struct quic_conn_numbers {
    uint64_t smoothed_rtt, min_rtt, congestion_window, bytes_in_flight, bytes_lost, packets_lost;
    int has_loss;  // whether the library counts losses for the connection
} quic_conn_numbers;

static inline quic_conn_numbers quic_conn_get_numbers(ngtcp2_conn *conn) {
    quic_conn_numbers n;
    memset(&n, 0, sizeof n);
#if QUIC_NGTCP2_1
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info(conn, &info);
#else
    ngtcp2_conn_stat info;
    ngtcp2_conn_get_conn_stat(conn, &info);
#endif
    n.smoothed_rtt = info.smoothed_rtt;
    n.min_rtt = info.min_rtt;
    n.congestion_window = info.cwnd;
    n.bytes_in_flight = info.bytes_in_flight;
#if defined(NGTCP2_CONN_INFO_V2) && NGTCP2_CONN_INFO_VERSION >= NGTCP2_CONN_INFO_V2
    n.bytes_lost = info.bytes_lost;
    n.packets_lost = info.pkt_lost;
    n.has_loss = 1;
#endif
    return n;
}

// How 0.12's BBR is doing; nothing for 1.x, which does not tell.
typedef struct quic_bandwidth {
    uint64_t smoothed_rtt, min_rtt;        // in nanoseconds
    uint64_t delivery_rate, pacing_rate;  // in bytes a second
} quic_bandwidth;

static inline quic_bandwidth quic_conn_get_bandwidth(ngtcp2_conn *conn) {
    quic_bandwidth b;
    memset(&b, 0, sizeof b);
#if !QUIC_NGTCP2_1
    ngtcp2_conn_stat info;
    ngtcp2_conn_get_conn_stat(conn, &info);
    b.smoothed_rtt = info.smoothed_rtt;
    b.min_rtt = info.min_rtt;
    b.delivery_rate = info.delivery_rate_sec;
    b.pacing_rate = (uint64_t)(info.pacing_rate * 1e9);
#else
    (void)conn;
#endif
    return b;
}

static inline unsigned int quic_p256_bits(void) {
    return GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
}

// gnutls_free is a variable, which Swift may not read from two threads.
static inline void quic_free(void *memory) {
    gnutls_free(memory);
}
