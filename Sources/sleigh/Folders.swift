import Glibc

/// Where sleigh keeps what outlives a run (XDG Base Directory Specification).
enum Folders {
    /// The folder of `accounts.toml`.
    static func configuration() throws(Failure) -> String {
        try folder(override: "SLEIGH_CONFIG_DIR", xdg: "XDG_CONFIG_HOME", underHome: ".config")
    }

    /// The folder of the device's certificate and of the known devices.
    static func state() throws(Failure) -> String {
        try folder(override: "SLEIGH_STATE_DIR", xdg: "XDG_STATE_HOME", underHome: ".local/state")
    }

    /// A path that stays right when the working folder changes.
    static func absolute(_ path: String) -> String {
        guard let absolute = realpath(path, nil) else { return path }
        defer { free(absolute) }
        return String(cString: absolute)
    }

    private static func folder(override: String, xdg: String, underHome: String) throws(Failure) -> String {
        if let path = Environment[override] { return path }
        if let base = Environment[xdg], base.hasPrefix("/") { return base + "/sleigh" }
        guard let home = Environment["HOME"] else {
            throw Failure(
                "no folder for sleigh's files: HOME is not set", hint: "Set HOME, or \(override).", code: .usage)
        }
        return "\(home)/\(underHome)/sleigh"
    }
}

/// The environment variables that are set and not empty.
enum Environment {
    static subscript(name: String) -> String? {
        guard let value = getenv(name), value.pointee != 0 else { return nil }
        return String(cString: value)
    }
}
