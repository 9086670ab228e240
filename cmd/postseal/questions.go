package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postseal/certs/authority"
	"postseal/cmd/cli"
	"postseal/internal/ask"
	"postseal/internal/detect"
	"postseal/internal/hint"
	"postseal/internal/interview"
	"postseal/internal/report"
)

type questionJSON struct {
	Key     string       `json:"key"`
	Section string       `json:"section"`
	Title   string       `json:"title"`
	Why     string       `json:"why"`
	Help    string       `json:"help"`
	Choices []choiceJSON `json:"choices"`
	Repeats bool         `json:"repeats"`
}

type choiceJSON struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

func (a *app) questionsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "questions [KEY...]",
		Short: "List the questions, which are also the flags and the lines of the answers file",
		Long: `questions prints each question with its reasons. KEY is the name of its flag and of its line in the answers
file, /etc/postseal/postseal.toml: role = "router". Those of the section "New certificate" are about an order: they are
flags of postseal cert obtain, and not in that file.
`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var out []string
			for _, q := range allQuestions() {
				out = append(out, q.Name())
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, keys []string) error {
			var list []questionJSON
			for _, q := range allQuestions() {
				section, title, why, help := q.Texts()
				j := questionJSON{q.Name(), section, title, why, help, []choiceJSON{}, q.Repeats()}
				for _, c := range q.Named() {
					j.Choices = append(j.Choices, choiceJSON{c.Text, c.Help})
				}
				if placeholder, ok := q.FreeText(); ok {
					j.Choices = append(j.Choices, choiceJSON{placeholder, ""})
				}
				list = append(list, j)
			}
			if len(keys) > 0 {
				var chosen []questionJSON
				for _, k := range keys {
					i := indexKey(list, k)
					if i < 0 {
						return cli.Misuse(hint.New(fmt.Sprintf("no question is named %.40q", k), "postseal questions lists them"))
					}
					chosen = append(chosen, list[i])
				}
				list = chosen
			}
			if a.JSON {
				return a.Printer(a.Out).JSON(list)
			}
			a.printQuestions(list)
			return nil
		},
	}
}

// allQuestions are those about the server, and those about an order.
func allQuestions() ask.Set[interview.Facts] {
	return slices.Concat(interview.All, interview.NewOrder(authority.Known(), detect.Web{}).Set)
}

func indexKey(list []questionJSON, key string) int {
	for i, q := range list {
		if q.Key == key {
			return i
		}
	}
	return -1
}

func (a *app) printQuestions(list []questionJSON) {
	p := a.Printer(a.Out)
	width := min(max(p.Width, 80), 100)
	for i, q := range list {
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		fmt.Fprintf(a.Out, "--%s  %s\n", q.Key, q.Title)
		for _, l := range report.Wrap(q.Why, width-4) {
			fmt.Fprintf(a.Out, "    %s\n", l)
		}
		for _, c := range q.Choices {
			fmt.Fprintf(a.Out, "    %-16s %s\n", c.Name, c.Help)
		}
		if len(list) <= 3 {
			fmt.Fprintln(a.Out)
			for _, l := range report.Wrap(strings.ReplaceAll(q.Help, "\n", " "), width-4) {
				fmt.Fprintf(a.Out, "    %s\n", l)
			}
		}
	}
}
