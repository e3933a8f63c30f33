import FoundationEssentials
import Glibc
import TerminalUI

/// The file that a drawing goes into.
enum PlotFile {
    /// Says before minutes are spent that nothing can be written there.
    static func check(_ path: String) throws(Failure) {
        let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
        let place = access(path, F_OK) == 0 ? path : folder
        guard access(place, W_OK) == 0 else { throw failure(path, String(cString: strerror(errno))) }
    }

    /// Writes the file; one that is there is replaced.
    static func write(_ document: String, to path: String) throws(Failure) {
        do {
            try Data(document.utf8).write(to: URL(filePath: path))
        } catch {
            throw failure(path, "\(error)")
        }
    }

    private static func failure(_ path: String, _ why: String) -> Failure {
        Failure(
            "\(printable(path)) cannot be written: \(printable(why))", hint: "Name another file with --plot.",
            code: .localFile)
    }
}
