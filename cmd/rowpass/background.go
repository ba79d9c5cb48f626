package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"rowpass/db"
)

// background starts what goes on beside the requests, and returns what ends it, after the last request.
func (s *service) background(ctx context.Context, p *program, certificate *liveCertificate) (end func(), err error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	if err := s.foreign.apply(ctx, s.config.Providers); err != nil {
		stop()
		return nil, err
	}
	var running sync.WaitGroup
	running.Go(func() { s.reloadOnHangup(ctx, p) })
	running.Go(func() { s.upkeep(ctx, certificate) })
	running.Go(func() { s.follower.run(ctx) })
	running.Go(func() { s.audit.Run(ctx) })
	if s.profiles != nil {
		running.Go(func() { s.profiles.run(ctx) })
	}
	return func() {
		stop()
		running.Wait()
		s.foreign.wait()
	}, nil
}

// reloadOnHangup reads the configuration again on SIGHUP and takes over its providers. What is wrong changes nothing.
func (s *service) reloadOnHangup(ctx context.Context, p *program) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		c, err := p.config()
		if err == nil {
			err = s.foreign.apply(ctx, c.Providers)
		}
		if err != nil {
			s.log.WarnContext(ctx, "SIGHUP: the configuration is not taken up, and the providers stay as they were", "err", err)
			continue
		}
		s.log.InfoContext(ctx, "SIGHUP: took up the providers; all other keys need a restart", "providers", len(c.Providers))
	}
}

// upkeep repeats every minute what only changes now and then. What cannot be read stays as it was.
func (s *service) upkeep(ctx context.Context, certificate *liveCertificate) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Minute):
		}
		refresh, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := errors.Join(s.db.Refresh(refresh), certificate.reload(), s.checkAgain(refresh), s.state.Prune(refresh, s.config.Audit.Keep), s.pruneProfiles(refresh))
		cancel()
		s.denied.Prune(time.Now())
		if err != nil && ctx.Err() == nil {
			s.log.Warn("upkeep: what could not be read stays as it was", "err", err)
		}
	}
}

func (s *service) pruneProfiles(ctx context.Context) error {
	if s.profiles == nil {
		return nil
	}
	return s.profiles.Prune(ctx)
}

// checkAgain looks for what somebody has opened to callers since the start, a new table say. It goes on serving, since the rows
// of all other tables are as safe as before, and tells the log and /readyz.
func (s *service) checkAgain(ctx context.Context) error {
	err := s.db.Check(ctx, tolerances(s.config))
	if err == nil {
		s.unsafe.Store(nil)
	} else if errors.Is(err, db.ErrUnsafe) {
		text := err.Error()
		s.unsafe.Store(&text)
	}
	return err
}

func (s *service) finding() string {
	if text := s.unsafe.Load(); text != nil {
		return *text
	}
	return ""
}
