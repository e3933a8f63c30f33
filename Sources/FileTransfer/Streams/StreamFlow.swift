/// Which way the bytes of a stream go, seen from this side.
enum StreamFlow: Sendable {
    /// Both ways, as between two sleighs (Wire/Stream.md).
    case both
    /// To another client, which sends nothing.
    case outgoing
    /// From another client, which takes nothing.
    case incoming
}
