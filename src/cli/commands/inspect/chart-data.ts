/** Data of the chart, which the page holds as JSON. Times and widths are seconds. */
export interface ChartData {
  /** IANA name of the time zone of all times. */
  zone: string;
  /** Start of the first column, width of a column, and number of columns. */
  start: number;
  width: number;
  count: number;
  /** Series in the order of the legend. A value is the count of a column; those of zero are left out. */
  series: ChartSeries[];
  /** Outages, with the share of the endpoints that they hit, and in words. */
  outages: { from: number; to: number; share: number; text: string }[];
}

export interface ChartSeries {
  name: string;
  color: string;
  /** Drawn as bars, not as a line. */
  isProblem: boolean;
  /** Not faint: its type is that of an error or alert. */
  isLoud: boolean;
  values: [column: number, count: number][];
}
