package interview

import (
	"postseal/internal/postfix"
)

// FromBlock reads answers out of lines of the block that were edited by hand.
// Lines that no question decides are ignored.
func FromBlock(edited map[string]string, v postfix.Version) map[string]string {
	out := map[string]string{}
	take := func(parameter, key string) {
		if value, ok := edited[parameter]; ok {
			out[key] = value
		}
	}
	take("smtpd_tls_security_level", inboundLevel.Key)
	take("smtpd_tls_auth_only", authTLSOnly.Key)
	take("smtpd_tls_received_header", receivedHeader.Key)
	take("smtp_tls_security_level", outboundLevel.Key)
	take("smtp_tls_CAfile", caFile.Key)
	take("smtpd_tls_loglevel", logLevel.Key)
	take("smtp_tls_loglevel", logLevel.Key)
	if value, ok := edited["smtpd_tls_protocols"]; ok {
		if floor, err := postfix.ParseFloor(value, v); err == nil {
			out[minProtocol.Key] = string(floor)
		}
	}
	return out
}
