public import Jingle

/// What happens in a measurement, in the order it happens.
public enum BenchEvent: Sendable {
    /// What happens in any session.
    case session(TransferEvent)
    /// A direction is being measured from now on.
    case began(BenchPhase)
    /// So many bytes have arrived in that direction.
    case progress(byteCount: UInt64)
    /// The direction is measured.
    case ended(BenchPhase)
}
