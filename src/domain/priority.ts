/** Classes of requests, the most urgent first. */
export const priorities = ['critical', 'high', 'medium', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** What a class may count on while requests wait: a share of the places at the engines, and places in the queue. */
export interface PriorityClass {
  /** Share of the requests in flight, 0..1. Unused shares are lent, first to the more urgent. */
  share: number;
  /** Requests of the class that may wait, per model. */
  places: number;
}

export type PriorityClasses = Readonly<Record<Priority, PriorityClass>>;

/** Defaults: the four-class form of reserved capacity, 10/30/40/20 % with 50/200/500/1,000 places. */
export const defaultPriorities: PriorityClasses = {
  critical: { share: 0.1, places: 50 },
  high: { share: 0.3, places: 200 },
  medium: { share: 0.4, places: 500 },
  low: { share: 0.2, places: 1000 },
};

export function isPriority(text: unknown): text is Priority {
  return (priorities as readonly unknown[]).includes(text);
}
