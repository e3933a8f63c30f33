import Glibc
import Testing

/// The cases that need a world: a real Prosody and coturn, two hosts, and what stands between hosts, in network
/// namespaces. One at a time, as they measure and share two processor cores.
@Suite(
    .serialized, .timeLimit(.minutes(8)),
    .enabled(if: geteuid() == 0, "network namespaces need root"))
enum EndToEnd {}
