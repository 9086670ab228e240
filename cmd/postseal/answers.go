package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"postseal/internal/ask"
	"postseal/internal/interview"
)

// answerFlags are the flags that give answers, one for each question.
type answerFlags struct{ values map[string][]string }

// add registers a flag for every question of a set.
func (f *answerFlags) add(cmd *cobra.Command, set ask.Set[interview.Facts]) {
	f.values = map[string][]string{}
	for _, q := range set {
		_, title, _, _ := q.Texts()
		names := choiceNames(q)
		if len(names) > 0 {
			title += " (" + strings.Join(names, "|") + ")"
		}
		if q.Repeats() {
			title += "; may be repeated"
		}
		cmd.Flags().Var(&answerFlag{f, q}, q.Name(), title)
		_ = cmd.RegisterFlagCompletionFunc(q.Name(), completeAnswer(q))
	}
}

// choiceNames are the fixed answers of a question; free text may be allowed
// beside them.
func choiceNames(q ask.Item[interview.Facts]) []string {
	var out []string
	for _, c := range q.Named() {
		out = append(out, c.Text)
	}
	if placeholder, ok := q.FreeText(); ok && placeholder != "" {
		out = append(out, placeholder)
	}
	return out
}

// given are the answers of this command line, by key.
func (f *answerFlags) given() map[string][]string { return f.values }

// answerFlag is the pflag.Value of one question. The syntax is checked when
// the session gathers the answers, so that all errors come at once.
type answerFlag struct {
	all *answerFlags
	q   ask.Item[interview.Facts]
}

func (v *answerFlag) String() string { return "" }
func (v *answerFlag) Type() string   { return "value" }
func (v *answerFlag) Set(s string) error {
	name := v.q.Name()
	if len(v.all.values[name]) > 0 && !v.q.Repeats() {
		return fmt.Errorf("given twice")
	}
	v.all.values[name] = append(v.all.values[name], s)
	return nil
}
