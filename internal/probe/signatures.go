package probe

import (
	"context"
	"slices"
)

// seals finds what a server signs handshakes of TLS 1.3 with, and notes the
// certificates that it shows there. A quick look is for one signature of each
// kind of key, which shows all certificates.
func (e *enumerator) seals(ctx context.Context) (names []string) {
	left, group := signatureIDs, exchanges[0]
	for moved := false; len(left) > 0; {
		var s sealed
		var wanted uint16
		ok := e.attempt(ctx, func() (err error) {
			s, wanted, err = e.unseal(ctx, hello{signatures: left, group: group, serverName: e.options.ServerName})
			return err
		})
		if ok && wanted != group && !moved && slices.Contains(exchanges, wanted) {
			group, moved = wanted, true
			continue
		}
		if !ok || !slices.Contains(left, s.signature) {
			break
		}
		e.leaf(s.chain)
		e.mu.Lock()
		e.out.AsksCertificate, e.out.Authorities = e.out.AsksCertificate || s.asksCertificate, max(e.out.Authorities, s.authorities)
		e.mu.Unlock()
		names = append(names, signatureName(s.signature))
		if left = without(left, s.signature); e.options.Quick {
			left = slices.DeleteFunc(left, func(id uint16) bool { return keyKind(id) == keyKind(s.signature) })
		}
	}
	return names
}

// signs finds what a server signs handshakes of TLS 1.2 with.
func (e *enumerator) signs(ctx context.Context) (names []string) {
	ids := append(suitesWith("_ECDHE_"), suitesWith("_DHE_")...)
	for left := signatureIDs; len(left) > 0; {
		r := e.try(ctx, hello{version: tls12, suites: ids, signatures: left})
		if !r.accepted || !slices.Contains(left, r.signature) {
			break
		}
		names, left = append(names, signatureName(r.signature)), without(left, r.signature)
	}
	return names
}

// keyKind is the kind of key that a signature is made with.
func keyKind(id uint16) string {
	for _, s := range signatures {
		if s.id == id {
			return s.key
		}
	}
	return ""
}
