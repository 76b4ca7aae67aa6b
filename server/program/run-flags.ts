/** The flags of a daemon's command line, knockd's and ours. */

export interface FileFlags {
  readonly config?: string;
  readonly interface?: string;
  readonly logfile?: string;
  readonly pidfile?: string;
}

export interface RunFlags extends FileFlags {
  readonly daemon?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  readonly lookup?: boolean;
  readonly onlyIpV4?: boolean;
  /** Seconds after which the guard is taken away again, unless somebody confirms. */
  readonly trial?: number;
}
