internal import CNice

// What libnice calls. Each trampoline copies what it is given and hands it to the core, which does its work on the
// loop's thread. The signals may be emitted on any thread that calls into the agent (a sending one, for example, with
// the sending lock held), so nothing is done here; datagrams arrive on the loop's thread only.

func candidateFound(_: OpaquePointer?, _ candidate: UnsafeMutablePointer<NiceCandidate>?, _ data: gpointer?) {
    guard let core = AgentCore.from(data), let candidate, let found = LocalCandidate(candidate) else { return }
    core.loop.perform { core.handle(found) }
}

func gatheringEnded(_: OpaquePointer?, _: guint, _ data: gpointer?) {
    guard let core = AgentCore.from(data) else { return }
    core.loop.perform { core.handleGatheringDone() }
}

func stateChanged(_: OpaquePointer?, _: guint, _: guint, _ state: guint, _ data: gpointer?) {
    guard let core = AgentCore.from(data) else { return }
    core.loop.perform { core.handle(componentState: state) }
}

func pairSelected(
    _: OpaquePointer?, _: guint, _: guint, _: UnsafeMutablePointer<NiceCandidate>?,
    _: UnsafeMutablePointer<NiceCandidate>?, _ data: gpointer?
) {
    guard let core = AgentCore.from(data) else { return }
    core.loop.perform { core.handleSelectedPair() }
}

func becameWritable(_: OpaquePointer?, _: guint, _: guint, _ data: gpointer?) {
    guard let core = AgentCore.from(data) else { return }
    core.loop.perform { core.handleWritable() }
}

func datagramArrived(
    _: OpaquePointer?, _: guint, _: guint, _ byteCount: guint, _ bytes: UnsafeMutablePointer<CChar>?, _ data: gpointer?
) {
    AgentCore.from(data)?.receive(UnsafeRawBufferPointer(start: bytes, count: Int(byteCount)))
}

/// Takes datagrams nobody wants any more; without any function libnice would spin.
func datagramIgnored(
    _: OpaquePointer?, _: guint, _: guint, _: guint, _: UnsafeMutablePointer<CChar>?, _: gpointer?
) {}

func agentClosed(_: UnsafeMutablePointer<GObject>?, _: OpaquePointer?, _ data: gpointer?) {
    AgentCore.from(data)?.release()
}

/// Keeps libnice's warnings (a name that does not resolve, for example) off the user's terminal.
func logIgnored(_: UnsafePointer<CChar>?, _: GLogLevelFlags, _: UnsafePointer<CChar>?, _: gpointer?) {}
