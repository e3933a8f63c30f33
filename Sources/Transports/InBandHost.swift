// XEP-0047: the bytestreams of one XMPP stream, joined to it.
internal import Synchronization
internal import XML
public import XMPP

/// Gives the requests about in-band bytestreams to the bytestream they belong to, and refuses those about any other.
///
/// The host does its work in a task of its own, from ``start()`` to ``stop()``, so that the bytestreams go on when the
/// negotiation that made them is over.
public actor InBandHost {
    nonisolated let channel: any StanzaChannel
    private var links: [InBandLink.ID: InBandLink] = [:]
    private nonisolated let task = HostTask()
    private var isConnected = true

    /// Creates a host for a stream.
    public init(channel: any StanzaChannel) { self.channel = channel }

    /// Begins to take requests. Call it once.
    public func start() {
        task.start(channel.requests(inNamespace: InBandBytestream.namespace)) {
            await self.take($0)
        } disconnected: {
            await self.disconnected()
        }
    }

    /// Ends the bytestreams that are still open, and the host; returns when its work is over, also in a task that was
    /// cancelled.
    public func stop() async {
        await endAll(.closed("the bytestream was closed here"), tellsPeer: true)
        for link in links.values { await link.close() }
        await task.stop()
    }

    /// Adds a bytestream, and runs it until it is over; false when one of that name is open with the peer.
    func add(_ link: InBandLink) async -> Bool {
        guard links[link.id] == nil else { return false }
        guard isConnected else {
            await link.end(Self.connectionLost, tellsPeer: false)
            return true
        }
        links[link.id] = link
        task.perform {
            await link.run()
            await self.remove(link)
        }
        return true
    }

    private static let connectionLost = ByteStreamError.pathLost("the connection to the XMPP server was lost")

    private func remove(_ link: InBandLink) { links[link.id] = nil }

    /// The stream has ended, and all bytestreams with it.
    private func disconnected() async { await endAll(Self.connectionLost, tellsPeer: false) }

    private func endAll(_ error: ByteStreamError, tellsPeer: Bool) async {
        isConnected = false
        for link in links.values { await link.end(error, tellsPeer: tellsPeer) }
    }

    private func take(_ iq: IQ) async {
        guard let answer = await answer(to: iq) else { return }
        try? await channel.send(answer.element)
    }

    /// The answer to a request; `nil` when the bytestream gives it later.
    private func answer(to iq: IQ) async -> IQ? {
        guard case .set(let element) = iq.content, let from = iq.from else {
            return iq.refusal(InBandBytestream.malformed)
        }
        let request: InBandBytestream
        do throws(StanzaParseError) {
            request = try InBandBytestream(element)
        } catch {
            // A block that cannot be read is one that is missing.
            if let sid = element["sid"], let link = links[InBandLink.ID(peer: from, sid: sid)] {
                await link.end(.closed("the peer sent what is no block of data"), tellsPeer: true)
            }
            return iq.refusal(InBandBytestream.malformed)
        }
        guard let link = links[InBandLink.ID(peer: from, sid: request.sid)] else {
            if case .open = request { return iq.refusal(InBandBytestream.unwanted) }
            return iq.refusal(InBandBytestream.unknown)
        }
        switch await link.receive(request, iq.result()) {
        case .result: return iq.result()
        case .refused(let error): return iq.refusal(error)
        case .later: return nil
        }
    }
}
