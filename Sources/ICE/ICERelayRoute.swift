/// The way of a relayed pair's datagrams to our TURN server.
public struct ICERelayRoute: Sendable {
    /// The socket over which the agent talks to the server, whose address is ``ICESocket/remote``. The agent goes on
    /// reading it.
    public let socket: ICESocket
    /// Where the server is to relay to.
    public let peer: ICEAddress

    /// Describes a way.
    package init(socket: ICESocket, peer: ICEAddress) {
        self.socket = socket
        self.peer = peer
    }
}
