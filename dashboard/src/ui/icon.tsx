/** Our own few line icons, drawn on 24 x 24. They never stand alone: a word or a label is beside them. */
const PATHS = {
  room: 'M3 4h18v12H3zM8 20h8M12 16v4',
  video: 'M3 6h12v12H3zM15 10l6-3v10l-6-3z',
  device: 'M4 20V9l8-5 8 5v11M9 20v-6h6v6',
  approve: 'M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4',
  plan: 'M12 3l9 16H3zM12 9v5M12 16.5v.5',
  admin: 'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21c0-4 3-6 7-6s7 2 7 6M17 4a4 4 0 0 1 0 7M19 15c2 1 3 3 3 6',
  audit: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7',
  patrol: 'M12 21s7-6 7-11a7 7 0 1 0-14 0c0 5 7 11 7 11zM12 12.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  sound: 'M4 9v6h4l5 4V5L8 9zM17 8a6 6 0 0 1 0 8M19.5 5a10 10 0 0 1 0 14',
  silent: 'M4 9v6h4l5 4V5L8 9zM17 10l4 4M21 10l-4 4',
  out: 'M10 4H4v16h6M14 8l4 4-4 4M18 12H9',
  back: 'M15 5l-7 7 7 7',
  chart: 'M3 20h18M5 16l4-6 4 3 6-8',
  camera: 'M3 7h4l2-3h6l2 3h4v13H3zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8z',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, sizePx = 20 }: { name: IconName; sizePx?: number }) {
  return (
    <svg
      width={sizePx}
      height={sizePx}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}
