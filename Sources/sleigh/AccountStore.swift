import TOMLKit
import XMPP

/// The accounts `sleigh login` has checked, kept in `accounts.toml` (mode 0600).
struct AccountStore {
    /// What is kept of one account.
    struct Account: Codable {
        var password: String
        var server: String?
        var caFile: String?

        enum CodingKeys: String, CodingKey {
            case password, server
            case caFile = "ca_file"
        }
    }

    private struct Contents: Codable {
        var account: String?
        var accounts: [String: Account] = [:]
    }

    private let file: PrivateFile

    init() throws(Failure) {
        file = PrivateFile(folder: try Folders.configuration(), name: "accounts.toml")
    }

    var path: String { file.path }

    /// The account that is used when none is named: the one logged in last.
    func defaultAddress() throws(Failure) -> JID? {
        try contents().account.flatMap(JID.init(_:))
    }

    /// What is kept of an account; `nil` when it never logged in.
    func account(_ address: JID) throws(Failure) -> Account? {
        try contents().accounts[address.bare.description]
    }

    /// Keeps an account and makes it the one used when none is named.
    func keep(_ account: Account, for address: JID) throws(Failure) {
        try file.withLock { () throws(Failure) in
            var contents = try contents()
            contents.accounts[address.bare.description] = account
            contents.account = address.bare.description
            let text: String
            do {
                text = try TOMLEncoder().encode(contents)
            } catch {
                throw Failure("cannot write \(file.path)", code: .localFile)
            }
            try file.write("# Written by sleigh login. Holds passwords: keep it private.\n\(text)\n")
        }
    }

    private func contents() throws(Failure) -> Contents {
        guard let text = try file.read() else { return Contents() }
        do {
            return try TOMLDecoder().decode(Contents.self, from: text)
        } catch {
            // The parser's own words could quote a password.
            throw Failure(
                "\(file.path) is not what sleigh wrote", hint: "Correct it, or remove it and run sleigh login.",
                code: .localFile)
        }
    }
}
