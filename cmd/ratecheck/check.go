package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
)

func (a *app) checkCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "check RUN",
		Short: "Judge a recorded history again",
		Long: `check judges a recorded history again, without a network, and exits as the run
would. RUN is the folder that run --out wrote, a history file, or - for standard
input. A history alone does not say where the target was; the folder does.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			known, err := a.readReportFlags(f)
			if err != nil {
				return err
			}
			report, h, err := a.judgeRecorded(args[0])
			if err != nil {
				return err
			}
			return a.render(known.Apply(report), h, f)
		},
	}
	f.addTo(cmd.Flags())
	return cmd
}

func (a *app) reportCommand() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "Render the report of a recorded run again",
		Long: `report renders the report of a recorded run in another format. RUN is the folder
that run --out wrote, a history file, or - for standard input. It exits with 0
when the report was written, whatever it says; check is the command that judges.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			known, err := a.readReportFlags(f)
			if err != nil {
				return err
			}
			report, h, err := a.judgeRecorded(args[0])
			if err != nil {
				return err
			}
			return a.print(known.Apply(report), h, f)
		},
	}
	f.addTo(cmd.Flags())
	return cmd
}

// judgeRecorded reads a run and judges it. Broken input ends with 3.
func (a *app) judgeRecorded(run string) (reports.Report, *history.History, error) {
	if run == "-" {
		h, err := history.Read(a.stdin)
		if err != nil {
			return reports.Report{}, nil, exitWith(exitUsage, fmt.Errorf("standard input: %w", err))
		}
		return reports.New(h, "", ""), h, nil
	}
	info, err := os.Stat(run)
	if err != nil {
		return reports.Report{}, nil, usageError("opening the run: %w", err)
	}
	file, url, command := run, "", ""
	if info.IsDir() {
		file = filepath.Join(run, historyFile)
		if url, command, err = readOrigin(filepath.Join(run, reportFile)); err != nil {
			return reports.Report{}, nil, exitWith(exitUsage, err)
		}
	}
	h, err := readHistoryFile(file)
	if err != nil {
		return reports.Report{}, nil, exitWith(exitUsage, err)
	}
	return reports.New(h, url, command), h, nil
}

// readOrigin reads from a run's report what its history does not hold. A run
// that was killed has no report; its history is judged all the same.
func readOrigin(path string) (url, command string, err error) {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("opening the run's report: %w", err)
	}
	defer func() { _ = file.Close() }()
	report, err := reports.Parse(file)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w; remove it, the history can be judged without", path, err)
	}
	return report.Target.URL, report.Command, nil
}
