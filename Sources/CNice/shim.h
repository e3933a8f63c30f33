#pragma once
#if __has_feature(modules)
// Else the socket types would belong to this module in Swift's eyes, and could not be in a public interface.
#pragma clang module import SwiftGlibc
#endif
#include <gio/gio.h>
#include <linux/filter.h>
#include <nice/agent.h>
#include <nice/interfaces.h>
#include <string.h>
#include <sys/socket.h>

// Casts, macros and variadics that Swift cannot call.

static inline void cnice_set_boolean(NiceAgent *agent, const char *property, gboolean value) {
    g_object_set(agent, property, value, NULL);
}

static inline void cnice_set_unsigned(NiceAgent *agent, const char *property, guint value) {
    g_object_set(agent, property, value, NULL);
}

static inline void cnice_set_string(NiceAgent *agent, const char *property, const char *value) {
    g_object_set(agent, property, value, NULL);
}

static inline gulong cnice_connect_gathering_done(
    NiceAgent *agent, void (*callback)(NiceAgent *, guint, gpointer), gpointer data) {
    return g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(callback), data);
}

static inline gulong cnice_connect_state_changed(
    NiceAgent *agent, void (*callback)(NiceAgent *, guint, guint, guint, gpointer), gpointer data) {
    return g_signal_connect(agent, "component-state-changed", G_CALLBACK(callback), data);
}

static inline gulong cnice_connect_new_candidate(
    NiceAgent *agent, void (*callback)(NiceAgent *, NiceCandidate *, gpointer), gpointer data) {
    return g_signal_connect(agent, "new-candidate-full", G_CALLBACK(callback), data);
}

static inline gulong cnice_connect_pair_selected(
    NiceAgent *agent, void (*callback)(NiceAgent *, guint, guint, NiceCandidate *, NiceCandidate *, gpointer),
    gpointer data) {
    return g_signal_connect(agent, "new-selected-pair-full", G_CALLBACK(callback), data);
}

static inline gulong cnice_connect_writable(
    NiceAgent *agent, void (*callback)(NiceAgent *, guint, guint, gpointer), gpointer data) {
    return g_signal_connect(agent, "reliable-transport-writable", G_CALLBACK(callback), data);
}

static inline void cnice_disconnect(NiceAgent *agent, gpointer data) {
    g_signal_handlers_disconnect_by_data(agent, data);
}

static inline void cnice_unref(NiceAgent *agent) {
    g_object_unref(agent);
}

static inline void cnice_candidate_set_foundation(NiceCandidate *candidate, const char *foundation) {
    g_strlcpy(candidate->foundation, foundation, NICE_CANDIDATE_MAX_FOUNDATION);
}

static inline const char *cnice_candidate_foundation(const NiceCandidate *candidate) {
    return candidate->foundation;
}

// The descriptor of the selected pair's UDP socket, duplicated, or -1.
static inline int cnice_duplicate_selected_socket(NiceAgent *agent, guint stream, int (*duplicate)(int)) {
    GSocket *socket = nice_agent_get_selected_socket(agent, stream, 1);
    if (socket == NULL) return -1;
    int descriptor = duplicate(g_socket_get_fd(socket));
    g_object_unref(socket);
    return descriptor;
}

// The descriptor of the UDP socket that is bound to an address, duplicated, or -1.
static inline int cnice_duplicate_socket(
    NiceAgent *agent, guint stream, const struct sockaddr *address, int (*duplicate)(int)) {
    NiceAddress wanted, bound;
    GPtrArray *sockets = nice_agent_get_sockets(agent, stream, 1);
    int descriptor = -1;
    if (sockets == NULL) return -1;
    nice_address_set_from_sockaddr(&wanted, address);
    for (guint index = 0; index < sockets->len && descriptor < 0; index++) {
        GSocket *socket = g_ptr_array_index(sockets, index);
        struct sockaddr_storage name;
        socklen_t length = sizeof name;
        if (g_socket_get_socket_type(socket) != G_SOCKET_TYPE_DATAGRAM ||
            getsockname(g_socket_get_fd(socket), (struct sockaddr *)&name, &length) != 0)
            continue;
        nice_address_set_from_sockaddr(&bound, (struct sockaddr *)&name);
        if (nice_address_equal(&wanted, &bound)) descriptor = duplicate(g_socket_get_fd(socket));
    }
    g_ptr_array_unref(sockets);
    return descriptor;
}

// Drops a peer's checks (Binding requests) that come to a UDP socket, or lets them in again.
static inline void cnice_drop_checks(int descriptor) {
    static struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 8), // after the UDP header
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0001, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    struct sock_fprog filter = {G_N_ELEMENTS(program), program};
    setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

static inline void cnice_accept_checks(int descriptor) {
    int none = 0;
    setsockopt(descriptor, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
}

// Calls back with the descriptor of every UDP socket of the agent.
static inline void cnice_for_each_socket(NiceAgent *agent, guint stream, void (*body)(int)) {
    GPtrArray *sockets = nice_agent_get_sockets(agent, stream, 1);
    if (sockets == NULL) return;
    for (guint index = 0; index < sockets->len; index++) {
        GSocket *socket = g_ptr_array_index(sockets, index);
        if (g_socket_get_socket_type(socket) == G_SOCKET_TYPE_DATAGRAM) body(g_socket_get_fd(socket));
    }
    g_ptr_array_unref(sockets);
}
