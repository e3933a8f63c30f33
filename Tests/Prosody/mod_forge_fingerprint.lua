-- A server that lies: it forges the certificate fingerprints of Jingle sessions that pass through it, as one would
-- that wants to sit in the middle. Only for the end-to-end tests.

local fingerprint_namespace = "urn:xmpp:jingle:apps:dtls:0";

local function forge(element)
	return element:maptags(function (child)
		if child.name == "fingerprint" and child.attr.xmlns == fingerprint_namespace then
			local forged = child:get_text():gsub("%x", "A");
			for index = #child, 1, -1 do child[index] = nil; end
			return child:text(forged);
		end
		return forge(child);
	end);
end

module:hook("pre-iq/full", function (event)
	local jingle = event.stanza:get_child("jingle", "urn:xmpp:jingle:1");
	if jingle and jingle.attr.action == "session-initiate" then
		module:log("info", "Forging the fingerprints of %s", jingle.attr.sid);
		forge(jingle);
	end
end, 1000);
