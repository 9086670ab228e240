package publish

// Report is what there is to do about one certificate, and what is wrong with its records.
type Report struct {
	Name     string    `json:"name"`
	Steps    []Step    `json:"steps"`
	Findings []Finding `json:"findings"`
}

// Report returns the steps and findings under a name.
func (in Input) Report(name string) Report {
	return Report{name, append([]Step{}, Steps(in)...), append([]Finding{}, Findings(in)...)}
}

// Due returns the steps to take now. A roll-over is none: it can be done, and need not.
func (r Report) Due() (out []Step) {
	for _, s := range r.Steps {
		if s.Due && s.Action != RollOver {
			out = append(out, s)
		}
	}
	return out
}
