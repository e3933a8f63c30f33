#pragma once
// A second socket on the address of one over which a library talks to a TURN server: the kernel gives the relayed
// packets to the one, and the rest to the other. Linux 4.5.
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

// Binds a socket to the address of another so that packets that a TURN server relays come to the new one: Data
// indications (RFC 8656, section 11.6) and ChannelData (section 12.4) whose content is not STUN, and whatever else does
// not begin as STUN does. Answers of the server and the peer's checks still come to the old one. STUN in a packet is told
// by its cookie, since the first bits of a QUIC packet may be any (RFC 9287); what is too short for one, as no QUIC packet
// is, comes to the old one too. Returns -errno on failure.
static inline int relay_socket_open(int fd) {
    // The number it returns is the socket's in the order of binding; what is beyond the packet's end reads as the old one.
    static struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),                     // the first two bits
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xc0),                 //
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x00, 3, 0),           // STUN
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40, 0, 13),          // ChannelData
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),                     // what is in it
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x2112a442, 10, 11),   // STUN
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),                     // the message type
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0017, 0, 8),         // Data indication
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),                    // the first attribute
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0012, 0, 7),         // XOR-PEER-ADDRESS
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 22),                    // its length
        BPF_STMT(BPF_MISC | BPF_TAX, 0),                           //
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 24),                    // the second
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0013, 0, 3),         // DATA
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, 32),                    // what is in it
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x2112a442, 0, 1),     // STUN
        BPF_STMT(BPF_RET | BPF_K, 0),                              // to the old one
        BPF_STMT(BPF_RET | BPF_K, 1),                              // to the new one
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    int one = 1, interface = 0;
    if (getsockname(fd, (struct sockaddr *)&name, &length) != 0) return -errno;
    int relay = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (relay < 0) return -errno;
    // The interface to send from: IPV6_UNICAST_IF and IP_UNICAST_IF.
    int level = name.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, option = level == IPPROTO_IP ? 50 : 76;
    socklen_t size = sizeof interface;
    if (getsockopt(fd, level, option, &interface, &size) == 0 && interface != 0)
        setsockopt(relay, level, option, &interface, size);
    if (name.ss_family == AF_INET6) {
        int only = 0;
        size = sizeof only;
        if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) == 0)
            setsockopt(relay, IPPROTO_IPV6, IPV6_V6ONLY, &only, size);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
        setsockopt(relay, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
        bind(relay, (struct sockaddr *)&name, length) != 0 ||
        setsockopt(relay, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) != 0) {
        int error = errno;
        close(relay);
        return -error;
    }
    return relay;
}
