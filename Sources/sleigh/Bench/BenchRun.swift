import FileTransfer
import TerminalUI
import XMPP

/// Measures one kind of path after the other.
struct BenchRun: Sendable {
    let service: TransferService
    let options: BenchOptions
    let console: Console

    /// What was measured, and what ended it before its time.
    struct Outcome: Sendable {
        var rows: [BenchRow] = []
        var error: (any Error)?
    }

    /// Measures until all is measured, or goes no further.
    ///
    /// A path that is not there is no error, if another one is.
    func measure(_ rungs: [BenchRung], to peer: JID) async -> Outcome {
        var outcome = Outcome()
        var peer = peer
        for rung in rungs {
            let recorder = BenchRecorder()
            let progress = BenchProgress(console: console, rung: rungs.count > 1 ? rung.name : nil)
            let opener = BenchOpener(service: service.permitting(rung.paths), options: options) { progress.take($0) }
            var state = BenchRow.State.measured
            var isLast = false
            do {
                try await opener.measure(to: peer, into: recorder)
            } catch TransferError.noPath(let reasons) {
                state = .missing(reasons.map { printable($0) })
                outcome.error = outcome.error ?? TransferError.noPath(reasons)
            } catch TransferError.peerUnable(let peer, let why) {
                state = .missing([printable(why)])
                outcome.error = outcome.error ?? TransferError.peerUnable(peer, why)
            } catch {
                let failure = ErrorReport.failure(for: error, direction: .measured)
                state = .partial(failure.message)
                outcome.error = outcome.error.map { isMissingPath($0) ? error : $0 } ?? error
                if case TransferError.interrupted = error {} else { isLast = true }
            }
            console.display.end()
            let row = BenchRow(name: rung.name, result: recorder.result, state: state)
            let isAnything = row.result.path != nil || rungs.count > 1 && !isLast
            if isAnything {
                outcome.rows.append(row)
                if console.isJSON { JSONLine.print(JSONLine.Measured(row)) }
            }
            if isLast || Task.isCancelled { break }
            // The next ones are measured with the device that took the first.
            peer = row.result.peer ?? peer
        }
        if outcome.rows.contains(where: { $0.result.path != nil }), outcome.error.map(isMissingPath) == true {
            outcome.error = nil
        }
        return outcome
    }
}

/// Whether an error only says that there is no such path.
private func isMissingPath(_ error: any Error) -> Bool {
    switch error {
    case TransferError.noPath, TransferError.peerUnable: true
    default: false
    }
}
