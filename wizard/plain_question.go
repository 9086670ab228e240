package wizard

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"postseal/internal/ask"
	"postseal/internal/interview"
)

// question asks one question until the answer can be used.
func (p *plain) question(q item) (back bool, err error) {
	f := p.session.Facts
	section, title, why, help := q.Texts()
	var options []ask.Option
	for _, o := range q.Options(f, p.answers) {
		if o.Hidden == "" {
			options = append(options, o)
		}
	}
	if q.Name() == certKey && !p.ordering {
		options = append(options, newOptions...)
	}
	fmt.Fprintln(p.out)
	number, of := p.place(q, section)
	p.wrapped(fmt.Sprintf("%s %d of %d. %s", section, number, of, title))
	suggested, reason := q.Proposal(f, p.answers)
	p.list(options)
	if len(suggested) > 0 {
		p.hung("Suggested: ", strings.Join(suggested, ", ")+", because "+reason)
	} else {
		p.hung("No suggestion: ", reason)
	}
	if given := p.answers.Texts(q.Name()); len(given) > 0 { // it stays unless another is given
		suggested = given
		p.hung("Answered: ", strings.Join(given, ", ")+", from "+p.answers.Source(q.Name()).String())
	}
	prompt := "Answer"
	if placeholder, ok := q.FreeText(); ok {
		prompt += ", or " + placeholder
	}
	if len(suggested) > 0 {
		prompt += " [" + oneLine(strings.Join(suggested, " ")) + "]"
	}
	prompt += ", b back, ? why, d diff, q quit:"
	if p.ordering {
		prompt = strings.Replace(prompt, " d diff,", "", 1)
	}
	for {
		line, err := p.read(prompt)
		if err != nil {
			return false, err
		}
		switch line {
		case "b":
			return true, nil
		case "?":
			p.wrapped(why)
			p.wrapped(strings.ReplaceAll(help, "\n", " "))
			if now := q.Present(f); now != "" {
				p.wrapped("Now: " + now)
			}
			continue
		case "d":
			if !p.ordering {
				p.showDiff()
				continue
			}
		case "":
			if len(suggested) == 0 {
				p.wrapped("There is no suggestion: " + reason)
				continue
			}
		}
		if way := p.newWay(line, options); way != nil {
			files, err := way()
			switch {
			case errors.Is(err, errQuit):
				return false, err
			case errors.Is(err, errBack):
				return p.question(q)
			case err != nil:
				p.print.Errors(err)
				return p.question(q)
			}
			line = strings.Join(files, " ")
		}
		if line, err = p.completed(line, options); err != nil {
			return false, err
		}
		if err := p.take(q, line, suggested, options); err != nil {
			p.print.Errors(err)
			continue
		}
		return false, nil
	}
}

// place says which question of its section this is.
func (p *plain) place(q item, section string) (number, of int) {
	for _, x := range p.set.Relevant(p.session.Facts, p.answers) {
		if s, _, _, _ := x.Texts(); s == section && !x.Settled(p.session.Facts, p.answers) {
			of++
			if x.Name() == q.Name() {
				number = of
			}
		}
	}
	return number, of
}

// list prints the options with the numbers that choose them; an option that
// is a number itself needs none.
func (p *plain) list(options []ask.Option) {
	width := 0
	for _, o := range options {
		width = max(width, min(24, utf8.RuneCountInString(o.Text)))
	}
	for i, o := range options {
		lead := fmt.Sprintf("  %d %-*s  ", i+1, width, oneLine(o.Text))
		if _, err := strconv.Atoi(o.Text); err == nil {
			lead = fmt.Sprintf("  %-*s  ", width, oneLine(o.Text))
		}
		if utf8.RuneCountInString(o.Text) > width {
			p.say("%s", strings.TrimRight(lead, " "))
			lead = "      "
		}
		p.hung(lead, o.Help)
		if o.Evidence != "" {
			p.hung("      ", o.Evidence)
		}
	}
}

// completed asks for the rest of each answer of the line that is only begun.
func (p *plain) completed(line string, options []ask.Option) (string, error) {
	words := strings.Fields(line)
	for i, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > len(options) || !options[n-1].Open {
			continue
		}
		rest, err := p.read(options[n-1].Text)
		if err != nil {
			return "", err
		}
		words[i] = options[n-1].Text + strings.TrimSpace(rest)
	}
	return strings.Join(words, " "), nil
}

// take sets and checks an answer: a number of the list, a word, or nothing
// for the suggestion. Several are separated by blanks.
func (p *plain) take(q item, line string, suggested []string, options []ask.Option) error {
	texts := strings.Fields(line)
	for i, t := range texts {
		if n, err := strconv.Atoi(t); err == nil && n >= 1 && n <= len(options) && !named(options, t) {
			texts[i] = options[n-1].Text
		}
	}
	if len(texts) == 0 {
		texts = suggested
	}
	a := p.answers.Clone()
	if err := q.Set(a, texts, ask.Typed); err != nil {
		return err
	}
	interview.Settle(a)
	if !p.ordering {
		p.session.Inspect(a)
	}
	if err := q.Verify(p.session.Facts, a); err != nil {
		return err
	}
	if p.answers = a; !p.ordering {
		p.session.Answers = a
	}
	return nil
}

// named says whether an option is called t, so that 1 means that option.
func named(options []ask.Option, t string) bool {
	for _, o := range options {
		if o.Text == t {
			return true
		}
	}
	return false
}
