internal import Jingle

extension ContinuedStream {
    /// What a task can wait for.
    enum Wish: Int, CaseIterable { case read, write, flush, finish, send }

    /// What the task that sends has to do.
    enum Work {
        case acknowledgement(StreamAcknowledgement)
        case piece(ContinuedSending.Piece)
        case reset(UInt64)
        /// Both sides have everything, and know it.
        case over
    }

    /// Both directions, and who waits for what.
    struct State {
        var sending = ContinuedSending()
        var receiving: ContinuedReceiving
        var error: ByteStreamError?
        var resetCode: UInt64?
        var hasBeenCarried = false
        /// Why nothing can be sent over this carrier any more, if it is lost.
        var carrierLoss: ByteStreamError?
        /// Whether it waits for the delay of its acknowledgements.
        var isDelayed = false
        /// Whether the peer has been heard over this carrier. Before, it may not know what the carrier is for, and an abort
        /// would take that along.
        private var isHeard = false
        private var waiters = [CheckedContinuation<Void, Never>?](repeating: nil, count: Wish.allCases.count)

        init(receiving: ContinuedReceiving) { self.receiving = receiving }

        private var isOver: Bool { sending.isOver && receiving.isEnded && !receiving.hasNews }

        /// Whether ``work()`` has something.
        var hasWork: Bool {
            if error != nil { return resetCode != nil && (isHeard || receiving.isNewsDue) }
            return receiving.isNewsDue || sending.hasNext || isOver
        }

        /// What is to be sent next.
        mutating func work() -> Work? {
            if error != nil {
                guard let resetCode else { return nil }
                if isHeard { return .reset(resetCode) }
            }
            if receiving.isNewsDue { return .acknowledgement(receiving.acknowledgement()) }
            if error != nil { return nil }
            if let piece = sending.next() { return .piece(piece) }
            return isOver ? .over : nil
        }

        /// Another carrier begins.
        mutating func beginCarrier() {
            isHeard = false
            isDelayed = false
            carrierLoss = nil
            receiving.beginAnew()
            if hasBeenCarried { sending.beginAnew() }
            hasBeenCarried = true
        }

        /// Takes the peer's word.
        mutating func take(_ acknowledgement: StreamAcknowledgement) throws(StreamFrameError) {
            isHeard = true
            try sending.take(acknowledgement)
        }

        /// Whether from now on it has to wait for the delay of its acknowledgements.
        mutating func delay() -> Bool {
            guard !isDelayed, receiving.hasNews, !receiving.isNewsDue else { return false }
            isDelayed = true
            return true
        }

        // MARK: Who waits

        mutating func wait(for wish: Wish, _ continuation: CheckedContinuation<Void, Never>) {
            precondition(waiters[wish.rawValue] == nil, "one read and one write at a time")
            waiters[wish.rawValue] = continuation
        }

        func isWaiting(for wish: Wish) -> Bool { waiters[wish.rawValue] != nil }

        /// Whoever waits for that, to be resumed without the lock.
        mutating func take(_ wish: Wish) -> CheckedContinuation<Void, Never>? {
            defer { waiters[wish.rawValue] = nil }
            return waiters[wish.rawValue]
        }

        /// Whoever sends, if the peer is to be told something.
        mutating func takeSenderIfDue() -> CheckedContinuation<Void, Never>? {
            receiving.isNewsDue ? take(.send) : nil
        }
    }
}
