package lineage

// RefusedByCAA is why CAA records refuse an order of "*.example.org" or
// "example.org", from a CA that is known as ca.example.
func RefusedByCAA(records []string, wildcard bool, method, account string) error {
	return asker{[]string{"ca.example"}, method, account}.refused("example.org", records, wildcard)
}

// RefusedForCAA reports whether a CA's refusal is about CAA records.
func RefusedForCAA(err error) bool { return refusedByCAA(err) }
