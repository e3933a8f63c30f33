import Synchronization

/// Something that happens once.
final class Flag: Sendable {
    private let state: Mutex<Bool>

    init(_ isSet: Bool = false) { state = Mutex(isSet) }

    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
