import ArgumentParser
import Client
import TerminalUI
import XMPP

/// The options that say as whom to log in, shared by every command that does.
struct AccountOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Log in as this account. Default: SLEIGH_ACCOUNT, or the last login.", valueName: "address"))
    var account: String?

    @OptionGroup var login: LoginOptions

    /// What to log in with, once options, environment and stored account are taken together.
    struct Resolved {
        var address: JID
        var password: String
        var server: String?
        var caFile: String?
    }

    /// Puts options, environment and the stored account together, in this order of preference.
    func resolve() throws(Failure) -> Resolved {
        let store = try AccountStore()
        let address: JID
        if let named = account ?? Environment["SLEIGH_ACCOUNT"] {
            address = try Self.address(named)
        } else if let stored = try store.defaultAddress() {
            address = stored
        } else {
            throw Failure("no account to log in with", hint: "Run: sleigh login you@example.org", code: .usage)
        }
        let stored = try store.account(address)
        let given = try login.givenPassword()
        guard let password = given ?? stored?.password else {
            throw Failure(
                "no password for \(address.bare)",
                hint: "Run: sleigh login \(address.bare), or name a file with --password-file.", code: .usage)
        }
        return Resolved(
            address: address, password: password, server: login.givenServer ?? stored?.server,
            caFile: login.givenCAFile ?? stored?.caFile)
    }

    /// Reads an address the user wrote.
    static func address(_ text: String) throws(Failure) -> JID {
        guard let address = JID(text), address.local != nil else {
            throw Failure(
                "'\(printable(text))' is not an address", hint: "Write it like you@example.org.", code: .usage)
        }
        return address
    }
}

/// The options that say how to log in, whoever it is.
struct LoginOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Read the password from the first line of this file. Default: SLEIGH_PASSWORD_FILE, or what login stored.",
            valueName: "file"))
    var passwordFile: String?

    @Option(
        help: ArgumentHelp(
            "Connect to this server instead of asking DNS; tls:host:port for direct TLS. Default: SLEIGH_SERVER.",
            valueName: "host:port"))
    var server: String?

    @Option(
        help: ArgumentHelp(
            "Trust the certificate authorities in this PEM file too. Default: SLEIGH_CA_FILE.", valueName: "file"))
    var caFile: String?

    var givenServer: String? { server ?? Environment["SLEIGH_SERVER"] }

    var givenCAFile: String? { caFile ?? Environment["SLEIGH_CA_FILE"] }

    /// The password of `--password-file` or `SLEIGH_PASSWORD_FILE`; `nil` when neither is given.
    func givenPassword() throws(Failure) -> String? {
        guard let path = passwordFile ?? Environment["SLEIGH_PASSWORD_FILE"] else { return nil }
        guard let bytes = try PrivateFile.bytes(ofFile: path) else {
            throw Failure("there is no password file \(path)", hint: "Check the path.", code: .localFile)
        }
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard let password = String(validating: line, as: UTF8.self), !password.isEmpty else {
            throw Failure(
                "the first line of \(path) holds no password", hint: "Put the password there, and nothing else.",
                code: .usage)
        }
        return password
    }
}
