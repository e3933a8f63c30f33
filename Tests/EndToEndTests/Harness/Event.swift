import Foundation

/// A line that sleigh prints under `--json`.
struct Event: Decodable, Equatable {
    var event: String
    var address: String?
    var name: String?
    var pathOnDisk: String?
    var byteCount: Int?
    var transferredByteCount: Int?
    var durationSeconds: Double?
    var sha256: String?
    var isVerified: Bool?
    var isEndToEndEncrypted: Bool?
    var path: String?
    var pathReasons: [String]?
    var timeToFirstByteSeconds: Double?
    var peer: String?
    var roundTripMs: Double?
    var reason: String?
    var exitCode: Int32?

    /// Reads the lines of an output; a line that is no event is a failure of the program.
    static func all(in output: String) throws -> [Event] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try output.split(separator: "\n").map { try decoder.decode(Event.self, from: Data($0.utf8)) }
    }
}
