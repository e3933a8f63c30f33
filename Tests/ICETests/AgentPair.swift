import ICE
import Synchronization

/// Two agents in one process whose signalling is a pair of tasks.
struct AgentPair {
    let initiator: ICEAgent
    let responder: ICEAgent

    init(initiator: ICEAgent, responder: ICEAgent) {
        self.initiator = initiator
        self.responder = responder
    }

    init(
        loop: ICELoop, initiator: ICEConfiguration = .loopback, responder: ICEConfiguration = .loopback
    ) throws {
        self.initiator = try ICEAgent(loop: loop, role: .controlling, configuration: initiator)
        self.responder = try ICEAgent(loop: loop, role: .controlled, configuration: responder)
    }

    /// Signals until both have an outcome; gives both sides' events.
    func connect() async -> (initiator: [ICEEvent], responder: [ICEEvent]) {
        initiator.setRemote(responder.localCredentials)
        responder.setRemote(initiator.localCredentials)
        initiator.gather()
        responder.gather()
        async let first = Self.follow(initiator, signallingTo: responder)
        async let second = Self.follow(responder, signallingTo: initiator)
        return await (first, second)
    }

    static func follow(_ agent: ICEAgent, signallingTo peer: ICEAgent) async -> [ICEEvent] {
        var events: [ICEEvent] = []
        var isGathered = false
        var hasOutcome = false
        for await event in agent.events {
            events.append(event)
            switch event {
            case .candidate(let candidate): peer.add([candidate])
            case .gatheringDone:
                peer.remoteGatheringDone()
                isGathered = true
            case .stateChanged(.ready), .failed: hasOutcome = true
            case .stateChanged, .selectedPair: break
            }
            if isGathered, hasOutcome { break }
        }
        return events
    }
}

extension ICEConfiguration {
    static var loopback: ICEConfiguration {
        var configuration = ICEConfiguration()
        configuration.localAddresses = ["127.0.0.1"]
        return configuration
    }
}

/// Collects datagrams and lets a test wait for a number of them.
final class Inbox: Sendable {
    private struct State {
        var datagrams: [[UInt8]] = []
        var wanted = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func take(_ bytes: UnsafeRawBufferPointer) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.datagrams.append([UInt8](bytes))
            guard state.datagrams.count >= state.wanted else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    var datagrams: [[UInt8]] { state.withLock { $0.datagrams } }

    /// Waits until so many have come in all.
    func wait(for count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.datagrams.count >= count { return true }
                state.wanted = count
                state.waiter = continuation
                return false
            }
            if isThere { continuation.resume() }
        }
    }
}

extension ICEAgent {
    /// Sends all, however often the socket is full.
    func sendAll(_ datagrams: [[UInt8]]) throws {
        var rest = datagrams[...]
        while !rest.isEmpty {
            let flat = rest.map { UnsafeMutableRawBufferPointer.copy(of: $0) }
            defer { for buffer in flat { buffer.deallocate() } }
            let accepted = try flat.map { UnsafeRawBufferPointer($0) }.withUnsafeBufferPointer { try send($0) }
            rest = rest.dropFirst(accepted)
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate static func copy(of bytes: [UInt8]) -> UnsafeMutableRawBufferPointer {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        buffer.copyBytes(from: bytes)
        return buffer
    }
}
