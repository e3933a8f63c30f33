-- For the tests: adds the channel binding tls-exporter (RFC 9266) to Prosody 0.12, which knows only tls-unique, and
-- announces the types as XEP-0440 has it.

local sasl = require "util.sasl";
local scram = require "util.sasl.scram";

scram.init(function (name, backends, f, channel_bindings)
	if channel_bindings then
		sasl.registerMechanism(name, backends, f, { "tls-unique", "tls-exporter" });
	end
end);

local function tls_exporter(handler)
	return handler.userdata["tls-exporter"]:exportkeyingmaterial("EXPORTER-Channel-Binding", 32, "");
end

-- After mod_saslauth, which makes the handler and lists its mechanisms.
module:hook("stream-features", function (event)
	local origin, features = event.origin, event.features;
	local handler = origin.sasl_handler;
	local mechanisms = features:get_child("mechanisms", "urn:ietf:params:xml:ns:xmpp-sasl");
	if origin.username or not origin.encrypted or not handler or not mechanisms then return; end
	local socket = origin.conn:socket();
	if socket:info().protocol ~= "TLSv1.3" then return; end
	local disabled = module:get_option_set("disable_sasl_mechanisms", { "DIGEST-MD5" });
	if disabled:contains("SCRAM-SHA-1-PLUS") then return; end
	handler:add_cb_handler("tls-exporter", tls_exporter);
	handler.userdata = { ["tls-exporter"] = socket };
	for mechanism in pairs(handler:mechanisms()) do
		if mechanism:find("-PLUS$") and not disabled:contains(mechanism) then
			mechanisms:text_tag("mechanism", mechanism);
		end
	end
	features:tag("sasl-channel-binding", { xmlns = "urn:xmpp:sasl-cb:0" })
		:tag("channel-binding", { type = "tls-exporter" }):up():up();
end, -10);
