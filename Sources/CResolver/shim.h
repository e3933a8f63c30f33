#pragma once
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

// Asks for the SRV records of a name, with at most two tries of two and four seconds for all name servers together.
// The length of the answer, 0 when there are no such records, -1 with a reason when there is no answer.
// (In Swift the type of the state cannot be named: glibc has a function of the same name.)
static inline int sleigh_query_srv(
    const char *name, unsigned char *answer, int capacity, const char **reason) {
    struct __res_state state = {0};
    if (res_ninit(&state) != 0) {
        *reason = "the resolver cannot be set up";
        return -1;
    }
    state.retrans = 2;
    state.retry = 2;
    int count = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, capacity);
    int error = state.res_h_errno;
    res_nclose(&state);
    if (count >= 0) return count < capacity ? count : capacity;
    if (error == HOST_NOT_FOUND || error == NO_DATA) return 0;
    *reason = error == TRY_AGAIN ? "no name server answers" : "the name server cannot answer";
    return -1;
}
