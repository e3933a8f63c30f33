// swift-tools-version: 6.2
import PackageDescription

var settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

// The test command sets this: a warning is an error there, not for a user with a newer compiler.
if Context.environment["SLEIGH_STRICT"] != nil {
    settings.append(.treatAllWarnings(as: .error))
}

let nio = { (name: String) in Target.Dependency.product(name: name, package: "swift-nio") }

let package = Package(
    name: "sleigh",
    products: [.executable(name: "sleigh", targets: ["sleigh"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.24.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.35.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(name: "CNice", pkgConfig: "nice", providers: [.apt(["libnice-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CNGTCP2", pkgConfig: "libngtcp2_crypto_gnutls",
            providers: [.apt(["libngtcp2-dev", "libngtcp2-crypto-gnutls-dev", "libgnutls28-dev"])]),
        .systemLibrary(name: "CResolver"),
        .systemLibrary(name: "CLinux"),

        .target(name: "XML", dependencies: ["CXML2"], swiftSettings: settings),
        .target(name: "XMPP", dependencies: ["XML"], swiftSettings: settings),
        .target(name: "Jingle", dependencies: ["XMPP", "XML"], swiftSettings: settings),
        .target(name: "SecureChannels", dependencies: ["COpenSSL", "CNGTCP2"], swiftSettings: settings),
        .target(name: "ICE", dependencies: ["CNice"], swiftSettings: settings),
        .target(
            name: "Transports",
            dependencies: [
                "Jingle", "XMPP", "XML", "SecureChannels", "ICE", "CLinux", nio("NIOCore"),
                nio("NIOPosix"), .product(name: "NIOSOCKS", package: "swift-nio-extras"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ],
            swiftSettings: settings),
        .target(
            name: "Client",
            dependencies: [
                "XMPP", "XML", "SecureChannels", "CResolver", nio("NIOCore"), nio("NIOPosix"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .target(
            name: "FileTransfer",
            dependencies: ["Client", "Jingle", "XMPP", "XML", "Transports", "SecureChannels", "CLinux"],
            swiftSettings: settings),
        .target(name: "TerminalUI", swiftSettings: settings),
        .executableTarget(
            name: "sleigh",
            dependencies: [
                "XML", "XMPP", "Jingle", "SecureChannels", "ICE", "Transports", "Client", "FileTransfer", "TerminalUI",
                "TOMLKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),

        // The tests' own tools: a delaying, losing, queueing link between two network namespaces.
        .executableTarget(name: "LinkEmulator", path: "Tests/LinkEmulator"),

        // An XMPP client that can do what a test says, and nothing else.
        .executableTarget(
            name: "ScriptedClient",
            dependencies: [
                "Client", "XMPP", "XML", "SecureChannels", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/ScriptedClient", swiftSettings: settings),

        // Measures rate and CPU time of one stream over QUIC or TCP, memory to memory.
        .executableTarget(
            name: "StreamBenchmark",
            dependencies: [
                "Transports", "SecureChannels", "CLinux", "COpenSSL", nio("NIOCore"), nio("NIOPosix"),
            ],
            path: "Tests/StreamBenchmark", swiftSettings: settings),

        // What the tests of several modules use.
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        .target(
            name: "TestConnections", dependencies: ["Jingle", "Transports"], path: "Tests/TestConnections",
            swiftSettings: settings),

        .testTarget(name: "XMLTests", dependencies: ["XML", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "XMPPTests", dependencies: ["XMPP", "XML", "SecureChannels", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "JingleTests", dependencies: ["Jingle", "XMPP", "XML", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SecureChannelsTests", dependencies: ["SecureChannels", "COpenSSL", "TestSupport"],
            swiftSettings: settings),
        .testTarget(name: "ICETests", dependencies: ["ICE", "Transports", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "TransportsTests",
            dependencies: [
                "Transports", "SecureChannels", "ICE", "Jingle", "XMPP", "XML", "CLinux", "TestSupport",
                "TestConnections",
                nio("NIOCore"), nio("NIOPosix"), .product(name: "NIOSOCKS", package: "swift-nio-extras"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ClientTests",
            dependencies: [
                "Client", "SecureChannels", "XMPP", "XML", "TestSupport", nio("NIOCore"), nio("NIOEmbedded"),
                nio("NIOPosix"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "FileTransferTests",
            dependencies: [
                "FileTransfer", "Transports", "SecureChannels", "Jingle", "XMPP", "TestSupport", "TestConnections",
            ],
            swiftSettings: settings),
        .testTarget(name: "TerminalUITests", dependencies: ["TerminalUI", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SleighTests",
            dependencies: ["sleigh", "Client", "FileTransfer", "Jingle", "SecureChannels", "XMPP"],
            swiftSettings: settings),
        .testTarget(
            name: "EndToEndTests", dependencies: ["sleigh", "LinkEmulator", "ScriptedClient"],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
