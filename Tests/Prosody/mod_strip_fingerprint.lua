-- A server that lies: it takes the certificate fingerprints out of the answers to Jingle sessions that pass through it, as
-- one would that wants to read the bytes. Only for the end-to-end tests.

local fingerprint_namespace = "urn:xmpp:jingle:apps:dtls:0";

local function strip(element)
	return element:maptags(function (child)
		if child.name == "fingerprint" and child.attr.xmlns == fingerprint_namespace then return nil; end
		return strip(child);
	end);
end

module:hook("pre-iq/full", function (event)
	local jingle = event.stanza:get_child("jingle", "urn:xmpp:jingle:1");
	if jingle and (jingle.attr.action == "session-accept" or jingle.attr.action == "transport-accept") then
		module:log("info", "Taking the fingerprints out of %s", jingle.attr.sid);
		strip(jingle);
	end
end, 1000);
